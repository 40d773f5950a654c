package osb

import (
	"errors"
	"net/textproto"
	"strings"
)

// maxCauseBytes bounds what is quoted of a cause.
const maxCauseBytes = 300

// CauseText returns the text of an error of the transport without what the server sent, which may repeat the request with
// its credentials. The standard library quotes what was sent, so the text ends before the first quotation mark; only a
// malformed header line stands there without any.
func CauseText(err error) string {
	var malformed textproto.ProtocolError
	switch {
	case err == nil:
		return "no cause given"
	case errors.As(err, &malformed):
		return "malformed header in the answer"
	}
	text, _, _ := strings.Cut(err.Error(), `"`)
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text[:min(len(text), maxCauseBytes)])
	if text = strings.Trim(text, " :="); text == "" {
		return "malformed answer"
	}
	return text
}
