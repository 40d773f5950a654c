package caddymodule

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// attributes are those of the span around an own poll.
func (p *ownPoll) attributes() []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		telemetry.KeyGateway.String(p.rt.name),
		telemetry.KeyPlatform.String(string(p.entry.Call.Platform)),
		telemetry.KeyBackend.String(p.broker.name),
		telemetry.KeyOperation.String(p.operation.String()),
		telemetry.KeyInstanceID.String(string(p.entry.Call.Key.Instance)),
		telemetry.KeyRequestIdentity.String(p.requestIdentity),
	}
	if service := p.entry.Call.Service; service != "" {
		attributes = append(attributes, telemetry.KeyServiceID.String(string(service)))
	}
	if plan := p.entry.Call.Plan; plan != "" {
		attributes = append(attributes, telemetry.KeyPlanID.String(string(plan)))
	}
	if binding := p.entry.Call.Key.Binding; binding != "" {
		attributes = append(attributes, telemetry.KeyBindingID.String(string(binding)))
	}
	return attributes
}

// fields are what log lines say of an own poll.
func (p *ownPoll) fields(answer routing.Answer) []zap.Field {
	fields := []zap.Field{
		zap.String("gateway", p.rt.name), zap.String("platform", string(p.entry.Call.Platform)),
		zap.String("backend", p.broker.name), zap.String("operation", p.operation.String()),
		zap.String("instance_id", string(p.entry.Call.Key.Instance)),
	}
	if binding := p.entry.Call.Key.Binding; binding != "" {
		fields = append(fields, zap.String("binding_id", string(binding)))
	}
	fields = append(fields, zap.String("state_before", string(p.before.State)), zap.Int("polls", p.before.Op.Polls),
		zap.String("request_identity", p.requestIdentity))
	if answer.Status != 0 {
		fields = append(fields, zap.Int("status", answer.Status))
	}
	return fields
}

// tell logs what came of an own poll: in the audit log what settled a record, for that is nobody else's call.
func (p *ownPoll) tell(answer routing.Answer, after *routing.Record, err error) {
	fields := p.fields(answer)
	switch {
	case err != nil:
		p.rt.logger.Warn("an operation that no platform polls could not be polled; the gateway tries again later",
			append(fields, zap.Error(err))...)
	case after != nil && after.State != p.before.State:
		p.rt.audit.Info("osb operation ended", append(fields, zap.String("state", string(after.State)))...)
	case answer.Status == http.StatusNotFound:
		p.rt.logger.Warn("a backend does not know the instance or binding of an operation that no platform polls; that "+
			"settles nothing. Delete it through the platform, or have the gateway forget it, once you are sure", fields...)
	case answer.Status != http.StatusOK:
		p.rt.logger.Warn("a backend failed a poll of an operation that no platform polls; the gateway tries again later",
			fields...)
	default:
		p.rt.logger.Debug("an operation that no platform polls is still in progress", fields...)
	}
}
