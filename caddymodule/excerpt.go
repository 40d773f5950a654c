package caddymodule

import (
	"bytes"
	"encoding/json"
	"html"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

const (
	// maxExcerptBytes is how much of a broker's text goes into a log.
	maxExcerptBytes = 200
	// maxSearchedBytes is how much of it is searched for what must not: more than goes into the log, because a secret
	// may begin there and go on behind it.
	maxSearchedBytes = 64 << 10
	// maxSecrets bounds the search. A call with more of them gets no excerpt.
	maxSecrets = 256
	// minSecretBytes keeps short words, which any text may hold by chance, from being taken for a repetition.
	minSecretBytes = 4

	textWithheld   = "its text seems to repeat credentials, parameters or the end user and is left out"
	textCompressed = "its text is compressed and left out"
)

// brokerText is what the log tells of an answer that is no JSON: how its text begins. Pages for developers show the
// request that failed, its Authorization header and its parameters included; of such a text nothing is told.
func (c *call) brokerText(response *backend.Response) string {
	if response.Header.Get(osb.HeaderContentEncoding) != "" {
		return textCompressed
	}
	return c.quote(response.Body)
}

// knownCodes are the error codes of the specification. Others are what a broker likes, sentences for instance.
var knownCodes = map[string]bool{
	"": true, "AsyncRequired": true, "ConcurrencyError": true, "RequiresApp": true, codeMaintenanceConflict: true,
}

// brokerCode is what the log tells of a broker's error code.
func (c *call) brokerCode(code string) string {
	if knownCodes[code] {
		return code
	}
	return c.quote([]byte(code))
}

// quote is the beginning of a broker's text for a log, if it repeats nothing that must not be there.
func (c *call) quote(text []byte) string {
	secrets := slices.Concat(c.broker.Secret(), c.parameters(), c.identityValues())
	if len(secrets) > maxSecrets || repeats(text, secrets) {
		return textWithheld
	}
	return excerpt(text)
}

// identityValues are what the originating identity says of the end user, but for the name that logs may show.
func (c *call) identityValues() []string {
	var values []string
	for _, line := range c.r.Header.Values(osb.HeaderOriginatingIdentity) {
		if fields := strings.Fields(line); len(fields) > 1 {
			values = append(values, fields[1:]...)
		}
	}
	if json.Valid(c.identity.Value) {
		values = append(values, valuesIn(c.identity.Value)...)
	} else {
		values = append(values, strings.TrimSpace(string(c.identity.Value)))
	}
	return slices.DeleteFunc(values, func(value string) bool { return value == c.identity.User })
}

// parameters are the values in the parameters of the call's body.
func (c *call) parameters() []string {
	plain, err := osb.Inflate(encodingOf(c.r.Header), c.body, c.rt.maxRequestBytes)
	if err != nil {
		return nil
	}
	var body struct {
		Parameters json.RawMessage `json:"parameters"`
	}
	if json.Unmarshal(plain, &body) != nil {
		return nil
	}
	return valuesIn(body.Parameters)
}

// valuesIn are the strings and numbers in JSON, as far as there are not too many.
func valuesIn(raw json.RawMessage) []string {
	var root any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&root) != nil {
		return nil
	}
	var values []string
	for rest := []any{root}; len(rest) > 0 && len(values) <= maxSecrets; {
		next := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		switch value := next.(type) {
		case string:
			values = append(values, value)
		case json.Number:
			values = append(values, value.String())
		case []any:
			rest = append(rest, value...)
		case map[string]any:
			rest = slices.AppendSeq(rest, maps.Values(value))
		}
	}
	return values
}

// authorizationText is what credentials look like that are nobody's the gateway knows.
var authorizationText = regexp.MustCompile(`(?i)authorization|\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]{8}`)

// repeats tells whether a text holds one of the secrets, or an Authorization header, as it is or in a spelling of HTML,
// JSON or URLs.
func repeats(body []byte, secrets []string) bool {
	text := string(body[:min(len(body), maxSearchedBytes)])
	spellings := []string{
		text, html.UnescapeString(text), jsonUnescaped(text), percentDecoded(text),
		percentDecoded(strings.ReplaceAll(text, "+", " ")), // a form
	}
	return slices.ContainsFunc(spellings, func(spelling string) bool {
		return authorizationText.MatchString(spelling) || slices.ContainsFunc(secrets, func(secret string) bool {
			return len(secret) >= minSecretBytes && strings.Contains(spelling, secret)
		})
	})
}

var (
	percentEncoding = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	jsonEscape      = regexp.MustCompile(`\\(u[0-9a-fA-F]{4}|["\\/])`)
)

func percentDecoded(text string) string {
	return percentEncoding.ReplaceAllStringFunc(text, func(encoded string) string {
		c, _ := strconv.ParseUint(encoded[1:], 16, 8) // two hexadecimal digits
		return string([]byte{byte(c)})
	})
}

func jsonUnescaped(text string) string {
	return jsonEscape.ReplaceAllStringFunc(text, func(escaped string) string {
		if len(escaped) == 2 {
			return escaped[1:]
		}
		r, _ := strconv.ParseUint(escaped[2:], 16, 32) // four hexadecimal digits
		return string(rune(r))                         //nolint:gosec // it has 16 bits
	})
}

// excerpt is the beginning of a text for a log.
func excerpt(body []byte) string {
	text := strings.ToValidUTF8(string(body[:min(len(body), maxExcerptBytes)]), "")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
