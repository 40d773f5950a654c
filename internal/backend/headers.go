package backend

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// ownHeaders are the headers of a request that belong to one connection or one hop besides the hop-by-hop headers of
// HTTP, or that are secrets between the platform and the gateway. None of the platform's reaches a backend.
//
// Forwarded and X-Forwarded-* are among them. What they say is the platform's word, which a broker has no reason to
// believe, and brokers that build links from them would point their dashboards at the gateway, which serves none.
var ownHeaders = map[string]bool{
	"Authorization":  true,
	"Cookie":         true,
	"Cookie2":        true,
	"Content-Length": true,
	"Expect":         true, // the body is at hand: there is nothing to wait for
	"Forwarded":      true,
	"Host":           true,
	"Http2-Settings": true,
}

// misleading are headers that have frameworks read another method or path than the line of the request has, which is what
// the gateway has judged: with one of them a call on an instance of one's own would reach somebody else's.
var misleading = map[string]bool{
	"X-Http-Method":          true,
	"X-Http-Method-Override": true,
	"X-Method-Override":      true,
	"X-Original-Method":      true,
	"X-Original-Url":         true,
	"X-Rewrite-Url":          true,
}

// staysHere tells whether a header of the platform's, by its canonical name, is not for the backend.
func staysHere(name string) bool {
	return ownHeaders[name] || osb.IsHopByHop(name) ||
		strings.HasPrefix(name, "Proxy-") || strings.HasPrefix(name, "X-Forwarded-")
}

// isWithheld tells whether a header of the platform's, by its canonical name, does not go down: it is not for the backend,
// or it would mislead it.
func isWithheld(name string) bool { return staysHere(name) || misleading[name] }

// isAlias tells whether a header is one that counts here, spelled with underscores. To servers that make variables of
// headers, as CGI, WSGI and Rack do, they are dashes: one such header would take the place of what the gateway has read,
// filtered or set.
func isAlias(name string, set []Field, fixed http.Header) bool {
	if !strings.Contains(name, "_") {
		return false
	}
	name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	return isWithheld(name) || fixed[name] != nil ||
		slices.ContainsFunc(set, func(f Field) bool { return http.CanonicalHeaderKey(f.Name) == name }) ||
		strings.HasPrefix(name, osb.HeaderPrefix) || strings.HasPrefix(name, "Content-")
}

// requestHeader fills out with the platform's header, filtered, and what the gateway sets in its place. Fixed is what is
// set later. None but out is modified; their values are shared.
func requestHeader(out, from http.Header, set []Field, fixed http.Header) {
	nominated := nominatedBy(from["Connection"])
	for key, values := range from {
		name := http.CanonicalHeaderKey(key)
		if isWithheld(name) || nominated[name] || isAlias(name, set, fixed) {
			continue
		}
		if other := out[name]; other != nil {
			values = append(other, values...) // the same name in two spellings
		}
		out[name] = slices.Clip(values) // whoever appends does not write into the platform's array
	}
	for _, field := range set {
		override(out, field.Name, field.Values)
	}
}

// complete adds what every request carries, last of all so that nothing can take its place.
func complete(header http.Header, with proof) {
	for name, values := range with.fixed.header {
		override(header, name, values)
	}
	if authorization := with.authorization(); authorization != nil {
		header["Authorization"] = authorization
	}
	if header.Get("Accept-Encoding") == "" {
		// http.Transport would ask for gzip otherwise, unpack the answer, and drop Content-Encoding and length.
		header["Accept-Encoding"] = identityEncoding
	}
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = nil // net/http would name itself
	}
	for _, name := range replayHeaders {
		if values, ok := header[name.canonical]; ok {
			delete(header, name.canonical)
			header[name.sent] = values
		}
	}
}

var identityEncoding = []string{"identity"}

// replayHeaders are the headers whose presence makes http.Transport send a PUT, PATCH or DELETE a second time when a
// kept-alive connection breaks. It looks them up by their canonical names only, so another spelling, which means the
// same to the receiver, goes unnoticed.
var replayHeaders = [...]struct{ canonical, sent string }{
	{"Idempotency-Key", "idempotency-key"},
	{"X-Idempotency-Key", "x-idempotency-key"},
}

func override(header http.Header, name string, values []string) {
	name = http.CanonicalHeaderKey(name)
	if len(values) == 0 {
		delete(header, name)
		return
	}
	header[name] = slices.Clip(values)
}

// nominatedBy returns the headers that a Connection header names as hop-by-hop; nil, as a rule, for none. The headers of
// the protocol cannot be so named: a request would look different to the backend from what the gateway saw and wrote in
// its audit log. All are found at once: a header that names many beside many others would else be compared for minutes.
func nominatedBy(connection []string) map[string]bool {
	var names map[string]bool
	for _, line := range connection {
		for option := range strings.SplitSeq(line, ",") {
			option = textproto.TrimString(option)
			if strings.EqualFold(option, "close") || strings.EqualFold(option, "keep-alive") {
				continue // the usual ones, which no header that is relayed is called
			}
			name := http.CanonicalHeaderKey(option)
			if strings.HasPrefix(name, osb.HeaderPrefix) || strings.HasPrefix(name, "Content-") {
				continue
			}
			if names == nil {
				names = make(map[string]bool)
			}
			names[name] = true
		}
	}
	return names
}

// filterResponse removes from an answer what is not for the platform: what concerns the connection to the backend, and
// what would make the platform take the backend for the gateway or go by its word about where and how the gateway is to
// be called. Everything else passes as it is.
func filterResponse(header http.Header) {
	osb.RemoveHopByHop(header)
	for _, name := range [...]string{
		"Alt-Svc",
		"Authentication-Info",
		"Clear-Site-Data",
		"Content-Length", // of the answer as it is written by the gateway
		"Server",
		"Set-Cookie",
		"Set-Cookie2",
		"Strict-Transport-Security",
		"Via",
		osb.HeaderWWWAuthenticate,
	} {
		delete(header, name)
	}
}

// setHeader checks the configured headers and keeps a copy.
func (f *fixed) setHeader(header http.Header) error {
	f.header = make(http.Header, len(header))
	var problems []error
	for key, values := range header {
		name := http.CanonicalHeaderKey(key)
		if err := checkFixedHeader(name, values); err != nil {
			problems = append(problems, fmt.Errorf("header %q: %w", key, err))
			continue
		}
		if name == "Host" {
			f.host = values[0]
			continue
		}
		f.header[name] = append(f.header[name], values...)
	}
	return errors.Join(problems...)
}

func checkFixedHeader(name string, values []string) error {
	switch {
	case !isToken(name):
		return errors.New("not a header name")
	case len(values) == 0:
		return errors.New("a value is missing")
	case name == "Authorization":
		return errors.New("configure credentials instead")
	case strings.HasPrefix(name, osb.HeaderPrefix):
		return errors.New("the headers of the protocol come from the platform")
	case name == osb.HeaderGateways:
		return errors.New("the gateway sets it, to notice a URL that leads back to it")
	case name == "Host":
		return checkHost(values)
	case staysHere(name), name == "Accept-Encoding", name == osb.HeaderContentEncoding:
		return errors.New("it belongs to the connection or the body and cannot be fixed")
	}
	if slices.ContainsFunc(values, hasControl) {
		return errors.New("the value must not contain control characters")
	}
	return nil
}

func checkHost(values []string) error {
	if len(values) == 1 && values[0] != "" && !hasControl(values[0]) {
		if u, err := url.Parse("//" + values[0]); err == nil && u.Host == values[0] && u.User == nil {
			return nil
		}
	}
	return errors.New("it must be one host name, with a port if need be")
}

// hasControl tells whether s holds a control character other than a tab, which no header may carry.
func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// isToken tells whether s may be the name of a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenBytes = func() (table [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		table[c] = true
	}
	return table
}()
