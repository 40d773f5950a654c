//go:build unix

package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// printHelp says what runs and what to try.
func (c caller) printHelp(out io.Writer, merged catalog, s settings) {
	offerings := make([]string, 0, len(merged.Services))
	for _, service := range merged.Services {
		offerings = append(offerings, service.Name)
	}
	service := merged.Services[0]
	curl := fmt.Sprintf("curl -s -u %s:%s -H 'X-Broker-API-Version: 2.17'", c.user, c.password)
	instance := c.url + "/v2/service_instances/first"
	body := fmt.Sprintf(
		`{"service_id":"%s","plan_id":"%s","organization_guid":"org","space_guid":"space"}`,
		service.ID, service.Plans[0].ID,
	)

	fmt.Fprintf(out, `
The gateway is ready at %s
  in front of two brokers, postgres and queue, which offer: %s
  user %s, password %s

See the merged catalog:
  %s %s/v2/catalog

Create an instance of %s (add ?accepts_incomplete=true if the broker asks for it):
  %s -X PUT -H 'Content-Type: application/json' -d '%s' \
    %s

Ask for it, without saying whose it is: the gateway knows.
  %s %s

See how the gateway does, and what it has recorded:
  %s osb-gateway status --address localhost:%d

Logs: %s/*.log   Metrics: http://localhost:%d/metrics
Ctrl-C stops everything.
`,
		c.url, strings.Join(offerings, ", "), c.user, c.password,
		curl, c.url,
		service.Name, curl, body, instance,
		curl, instance,
		filepath.Join(s.binaries, "caddy"), s.adminPort,
		s.directory, s.adminPort,
	)
}
