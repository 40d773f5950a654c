package caddymodule

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// logTrouble logs calls that failed for a reason that the operator can do something about. The state of the store is
// logged where it changes, not here.
func (c *call) logTrouble(a answer) {
	var broker *backend.Error
	var said *brokerAnswerError
	var refused *refusedError
	fields := func() []zap.Field {
		return []zap.Field{
			zap.String("operation", c.path.Operation.String()), zap.String("backend", c.backendName()),
			zap.String("instance_id", c.path.Instance), zap.String("request_identity", c.requestIdentity),
			zap.String("trace_id", c.traceID()), zap.Error(a.cause),
		}
	}
	switch {
	case a.cause == nil:
		c.noteAnswered()
	case errors.Is(a.cause, context.Canceled):
		// The platform hung up, which is nobody's fault here.
	case errors.As(a.cause, &broker):
		c.noteFailed(broker.Kind.String(), fields)
	case errors.As(a.cause, &said):
		c.noteFailed("answered "+strconv.Itoa(said.status), fields)
	case errors.As(a.cause, &refused) && refused.Refusal == routing.RefusalNotConfigured:
		key := "owner " + string(refused.Owner.Backend) + " " + string(refused.OwnerPlatform)
		c.rt.notice(zap.ErrorLevel, key, remindRecord,
			"an instance belongs to a backend or platform that the configuration does not name; add it",
			func() []zap.Field {
				return append(fields(), zap.String("owner", string(refused.Owner.Backend)),
					zap.String("owner_platform", string(refused.OwnerPlatform)),
					zap.String("problem", c.rt.describeRefused(refused.Decision)))
			})
	case errors.Is(a.cause, routing.ErrNewerRecord):
		c.rt.notice(zap.ErrorLevel, "newer", remindRecord,
			"a record was written by a newer gateway; upgrade this one, until then the newer serves the instance", fields)
	case a.code == codeOwnershipUnavailable && !errors.Is(a.cause, routing.ErrUnavailable) && refused == nil:
		c.rt.notice(zap.ErrorLevel, "unreadable "+c.path.Instance, remindRecord,
			"a record cannot be read; if it is damaged, bring it back from a backup of the store", fields)
	}
}

// noteFailed logs a call that a backend failed, when its backend begins to fail calls in this way and every minute while
// it does.
func (c *call) noteFailed(way string, fields func() []zap.Field) {
	if c.broker == nil {
		return
	}
	c.broker.failed.Store(time.Now().UnixNano())
	c.rt.notice(zap.WarnLevel, failureKey(c.broker)+way, remindTrouble,
		"a backend failed a call; its team finds it by the request identity or the trace", fields)
}

func failureKey(b *broker) string { return "backend " + b.name + " " }

// noteAnswered logs that a backend answers again: when it answers a call and has failed none for a while.
func (c *call) noteAnswered() {
	if c.broker == nil {
		return
	}
	last := c.broker.failed.Load()
	if last == 0 || time.Since(time.Unix(0, last)) < remindTrouble || !c.broker.failed.CompareAndSwap(last, 0) {
		return
	}
	c.rt.notices.forget(func(key string) bool { return strings.HasPrefix(key, failureKey(c.broker)) })
	c.rt.logger.Info("a backend answers calls again", zap.String("backend", c.broker.name))
}

// warnOfContradiction logs a call that names another offering than the record, which won.
func (c *call) warnOfContradiction() {
	if c.entry.Decision.Contradicts {
		c.rt.notice(zap.WarnLevel, "contradiction "+c.path.Instance, remindRecord,
			"a call names another service_id than the instance's record; the record wins", func() []zap.Field {
				return []zap.Field{
					zap.String("operation", c.path.Operation.String()), zap.String("instance_id", c.path.Instance),
					zap.String("platform", c.platformName()), zap.String("request_identity", c.requestIdentity),
				}
			})
	}
}

// noteCommitError logs an outcome that is written later.
func (c *call) noteCommitError(err error) {
	c.rt.notice(zap.WarnLevel, "commit", remindTrouble,
		"an outcome could not be recorded at once; it is tried again in the background", func() []zap.Field {
			return []zap.Field{
				zap.String("operation", c.path.Operation.String()), zap.String("instance_id", c.path.Instance),
				zap.String("request_identity", c.requestIdentity), zap.Error(err),
			}
		})
}
