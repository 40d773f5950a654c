package caddymodule

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// writeAudit writes the line that says who changed what; docs/observability.md has its keys. It has no credentials,
// parameters or bodies. Identities and names come from the platform, cleaned of control characters.
func (c *call) writeAudit(a answer, elapsed time.Duration) {
	if !c.path.Operation.Mutating() {
		return
	}
	line := c.rt.audit.Check(zapcore.InfoLevel, "osb call")
	if line == nil {
		return
	}
	service, plan := c.ids()
	context := c.fields.Context
	fields := make([]zap.Field, 0, 22)
	for _, text := range [...]struct{ key, value string }{
		{"gateway", c.rt.name},
		{"platform", c.platformName()},
		{"operation", c.path.Operation.String()},
		{"instance_id", c.path.Instance},
		{"binding_id", c.path.Binding},
		{"service_id", service},
		{"plan_id", plan},
		{"backend", c.backendName()},
		{"identity_platform", c.identity.Platform},
		{"identity_user", c.identity.User},
		{"organization", context.Organization},
		{"space", context.Space},
		{"namespace", context.Namespace},
		{"cluster", context.Cluster},
		{"account", context.Account},
		{"instance_name", context.InstanceName},
		{"error", a.code},
		{"request_identity", c.requestIdentity},
		{"trace_id", c.traceID()},
	} {
		if text.value != "" {
			fields = append(fields, zap.String(text.key, text.value))
		}
	}
	line.Write(append(fields,
		zap.Int("status", a.status), zap.Bool("async", a.status == 202), zap.Duration("duration", elapsed))...)
}
