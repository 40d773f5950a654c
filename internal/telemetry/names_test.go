package telemetry_test

import (
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for operation := osb.Catalog; operation.String() != osb.Unknown.String(); operation++ {
		name := operation.String()
		if got, want := telemetry.ServerSpanName(operation), "osb."+name; got != want {
			t.Errorf("ServerSpanName(%s): got %q, want %q", name, got, want)
		}
		if got, want := telemetry.BackendSpanName(operation), "osb.backend."+name; got != want {
			t.Errorf("BackendSpanName(%s): got %q, want %q", name, got, want)
		}
		route := telemetry.Route(operation)
		if strings.Contains(route, "{binding_id}") != operation.OnBinding() ||
			strings.HasSuffix(route, "/last_operation") != operation.Poll() {
			t.Errorf("Route(%s): got %q", name, route)
		}
	}
	for _, unknown := range []osb.Operation{osb.Unknown, 200} {
		if got := telemetry.ServerSpanName(unknown); got != "osb.unknown" {
			t.Errorf("ServerSpanName(%d): got %q, want osb.unknown", unknown, got)
		}
		if got := telemetry.Route(unknown); got != "" {
			t.Errorf("Route(%d): got %q, want none", unknown, got)
		}
	}
	for _, operation := range []string{"read", "swap", "read_document", "swap_document", "ping"} {
		if got, want := telemetry.StoreSpanName(operation), "osb.store."+operation; got != want {
			t.Errorf("StoreSpanName(%s): got %q, want %q", operation, got, want)
		}
	}
}

func containsSecret(text string) bool { return strings.Contains(text, "secret") }
