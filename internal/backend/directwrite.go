package backend

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// appendRequest appends a request as http.Transport writes it.
func appendRequest(out []byte, method, target, host string, header http.Header, body []byte) ([]byte, error) {
	out = append(out, method...)
	out = append(out, ' ')
	out = append(out, target...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = append(out, host...)
	out = append(out, "\r\n"...)
	var err error
	if out, err = appendField(out, "User-Agent", header["User-Agent"]); err != nil {
		return nil, err
	}
	if len(body) > 0 || method == http.MethodPut || method == http.MethodPatch || method == http.MethodPost {
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, int64(len(body)), 10)
		out = append(out, "\r\n"...)
	}
	var room [32]string
	names := room[:0]
	for name := range header {
		switch name {
		case "User-Agent", "Host", "Content-Length", "Transfer-Encoding", "Trailer": // written above, or never
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if out, err = appendField(out, name, header[name]); err != nil {
			return nil, err
		}
	}
	out = append(out, "\r\n"...)
	return append(out, body...), nil
}

func appendField(out []byte, name string, values []string) ([]byte, error) {
	if len(values) > 0 && !isToken(name) {
		return nil, errors.New("a header has a name that cannot be sent")
	}
	for _, value := range values {
		if hasControl(value) {
			return nil, errors.New("a header has a value that cannot be sent")
		}
		out = append(out, name...)
		out = append(out, ": "...)
		out = append(out, strings.Trim(value, " \t")...)
		out = append(out, "\r\n"...)
	}
	return out, nil
}
