package caddymodule

import (
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// server says on spans where the store is, if that is one server. Which member of a cluster answers, or which server is
// the master at the time, only the store's client knows.
func (s *storeSettings) server() []attribute.KeyValue {
	switch {
	case s.Kind != "redis" || s.Cluster || s.SentinelMaster != "":
		return nil
	case s.URL == "":
		return telemetry.StoreServer(s.Addresses[0], s.DB)
	}
	parsed, err := url.Parse(s.URL)
	if err != nil || parsed.Host == "" {
		return nil
	}
	db, err := strconv.Atoi(strings.Trim(parsed.Path, "/"))
	if err != nil {
		db = s.DB
	}
	return telemetry.StoreServer(parsed.Host, db)
}
