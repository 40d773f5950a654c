package caddymodule

import (
	"net/http"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// codeMaintenanceConflict is the error of a backend whose plans have another maintenance_info than the platform knows:
// the catalog that the platform has, or the gateway, is old.
const codeMaintenanceConflict = "MaintenanceInfoConflict"

// noteConflict has a backend's catalog fetched at once when the backend says that it has changed. The answer itself goes
// up as it came: only the backend can tell.
func (c *call) noteConflict(response *backend.Response, said osb.Answer) {
	if response.Status != http.StatusUnprocessableEntity || said.Error != codeMaintenanceConflict {
		return
	}
	rt := c.rt
	if latest := running.latest(rt.name); latest != nil {
		rt = latest // the configuration may have been exchanged during the call
	}
	for _, entry := range rt.catalogs.entries {
		if entry.broker.name == c.broker.name {
			entry.soon.wantWhole()
		}
	}
}
