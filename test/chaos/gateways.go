package chaos

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// The platforms, by their names in the configuration. They have the password of package harness.
const (
	cloudFoundry = "cloudfoundry"
	korifi       = "korifi"
)

// gateway is a gateway process and the link that platforms reach it by.
type gateway struct {
	*harness.Gateway

	name    string
	options harness.Options
	link    *Link
}

// block is the configuration of a gateway. Store is its block for the store; refresh changes nothing of importance, so
// that a reload has something to change.
func block(store string, brokers []*broker, refresh time.Duration) string {
	var text strings.Builder
	text.WriteString(store)
	// Two platforms, with what each of the settings makes of unknown instances.
	for platform, unknown := range map[string]string{cloudFoundry: "forward", korifi: "reject"} {
		fmt.Fprintf(&text, "platform %s {\n\tbasic_auth %s %s\n\tunknown_instances %s\n}\n",
			platform, platform, harness.PasswordHash, unknown)
	}
	for _, b := range brokers {
		text.WriteString(b.backend())
	}
	fmt.Fprintf(&text, "catalog {\n\trefresh %s\n}\nmax_response_body 64KiB\n", refresh)
	return text.String()
}

func startGateway(t testing.TB, name, store string, brokers []*broker) *gateway {
	t.Helper()
	g := &gateway{name: name, options: harness.Options{Block: block(store, brokers, 2*time.Second), Quiet: true}}
	g.Gateway = harness.Start(t, g.options)
	g.link = startLink(t, strings.TrimPrefix(g.URL, "http://"))
	return g
}
