package samplebroker

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxBodyBytes bounds what is read of a body, and what it may unfold to.
const maxBodyBytes = 8 << 20

var errBodyTooLarge = refuse(http.StatusRequestEntityTooLarge, "The body is too large.")

// call is one request, read to its end.
type call struct {
	method string
	// path and rawQuery are as they were sent.
	path, rawQuery string
	header         http.Header
	body           []byte
	route          route
	query          url.Values
}

// readBody returns what there was of the body, in the encoding that it was sent in, even when it did not arrive whole.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return body, errBodyTooLarge
	case err != nil:
		return body, badRequest("The body did not arrive whole.")
	default:
		return body, nil
	}
}

// finish gives back what the answers to all calls have in common.
func (c *call) finish(a answer, err error) answer {
	if err != nil {
		a = answerTo(err)
	}
	if identity := c.header.Get(requestIdentityHeader); identity != "" {
		a.header.Set(requestIdentityHeader, identity)
	}
	return a
}

// object reads the body as one JSON object.
func (c *call) object() (object, error) {
	content, err := c.content()
	if err != nil {
		return nil, err
	}
	return parseObject(content)
}

// content returns the body, unfolded. A body without a type is taken for JSON (§ Content Type).
func (c *call) content() ([]byte, error) {
	if value := c.header.Get("Content-Type"); value != "" {
		if mediaType, _, err := mime.ParseMediaType(value); err != nil || mediaType != jsonType {
			return nil, badRequest("The Content-Type of the body has to be " + jsonType + ".")
		}
	}
	switch strings.ToLower(c.header.Get("Content-Encoding")) {
	case "", "identity":
		return c.body, nil
	case "gzip", "x-gzip":
		return gunzip(c.body)
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "Of the encodings of a body only gzip is understood.")
	}
}

func gunzip(packed []byte) ([]byte, error) {
	broken := badRequest("The body is not what gzip writes.")
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, broken
	}
	content, err := io.ReadAll(io.LimitReader(reader, maxBodyBytes+1))
	switch {
	case err != nil:
		return nil, broken
	case len(content) > maxBodyBytes:
		return nil, errBodyTooLarge
	default:
		return content, nil
	}
}

// parseQuery reads a query in which no field may come twice.
func parseQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badRequest("The query is malformed.")
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, badRequest("The query has a field more than once.")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return nil, badRequest("The query is not percent-encoded UTF-8.")
		}
	}
	return query, nil
}

// queryText returns a field of the query, or "" where it is absent. It must not be empty.
func (c *call) queryText(name string) (string, error) {
	if c.query.Has(name) && c.query.Get(name) == "" {
		return "", badRequest("The query field " + name + " is empty.")
	}
	return c.query.Get(name), nil
}

// requiredQuery returns a field that has to be there.
func (c *call) requiredQuery(name string) (string, error) {
	value, err := c.queryText(name)
	if err == nil && value == "" {
		err = badRequest("The query field " + name + " is required.")
	}
	return value, err
}

// acceptsIncomplete tells whether the caller copes with asynchronous operations.
func (c *call) acceptsIncomplete() (bool, error) {
	value, err := c.queryText("accepts_incomplete")
	if err != nil {
		return false, err
	}
	switch value {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, badRequest("The query field accepts_incomplete has to be true or false.")
	}
}

// hints reads the ids of a query that the specification calls hints.
func (c *call) hints() (serviceID, planID string, err error) {
	if serviceID, err = c.queryText("service_id"); err != nil {
		return "", "", err
	}
	planID, err = c.queryText("plan_id")
	return serviceID, planID, err
}
