package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// saysNoState tells whether the answer is that of a broker which enabled or disabled an instance and says no more, and
// the platform is to be told the state. IBM's documents have a 204 in one place and a 200 with the state in another, and
// its Go client fails on the former.
func (c *call) saysNoState(response *backend.Response) bool {
	return c.path.Operation == osb.SetState && c.broker.synthesizesState &&
		(response.Status == http.StatusNoContent || response.Status == http.StatusOK && len(response.Body) == 0)
}

// synthesizeState makes an answer of the state that was asked for; ok is false if the call did not say which.
func (c *call) synthesizeState(response *backend.Response) (_ answer, ok bool) {
	encoding := strings.Join(c.r.Header.Values(osb.HeaderContentEncoding), ", ")
	plain, err := osb.Inflate(encoding, c.body, c.rt.maxRequestBytes)
	if err != nil {
		return answer{}, false
	}
	var asked map[string]json.RawMessage
	if json.Unmarshal(plain, &asked) != nil {
		return answer{}, false
	}
	enabled := string(asked["enabled"])
	if enabled != "true" && enabled != "false" {
		return answer{}, false
	}
	response.Header.Set(osb.HeaderContentType, osb.ContentTypeJSON)
	response.Header.Del(osb.HeaderContentEncoding) // that of nothing
	body := fmt.Appendf(nil, `{"enabled":%s,"active":%s}`, enabled, enabled)
	return answer{status: http.StatusOK, header: response.Header, body: body}, true
}
