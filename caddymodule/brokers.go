package caddymodule

import (
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// breaker is a backend's, which tells the log and the metrics what it does.
func (rt *runtime) breaker(s *backendSettings) backend.BreakerConfig {
	config := s.breaker
	logger := rt.logger.With(zap.String("gateway", rt.name), zap.String("backend", s.name))
	config.Changed = func(open bool) {
		if open {
			logger.Warn("a backend does not answer; calls to it get 503 until one of those that try is answered",
				zap.Int("failures", config.Failures), zap.Duration("tried_again_after", config.Open))
		} else {
			logger.Info("a backend answers again")
		}
		if rt.isLatest() {
			rt.metrics.BreakerOpen(rt.name, s.name, open)
		}
	}
	return config
}

// isLatest tells whether no later configuration has taken this one's place. What it does then is its own affair.
func (rt *runtime) isLatest() bool {
	latest := running.latest(rt.name)
	return latest == nil || latest == rt
}

// notesToken takes down until when a backend's token is good.
func (rt *runtime) notesToken(name string) func(time.Time) {
	return func(until time.Time) {
		if rt.isLatest() {
			rt.metrics.TokenExpiry(rt.name, name, until)
		}
	}
}

// inheritBrokers takes over what the gateway before this one, if there was one, found out about the backends.
func (rt *runtime) inheritBrokers(before *runtime) {
	for name, b := range rt.brokers {
		if before != nil && before.brokers[name] != nil {
			if old := before.brokers[name]; old.url.String() == b.url.String() {
				b.Inherit(old.Backend, old.credentials.written == b.credentials.written)
			}
		}
		state := b.Status().Breaker
		rt.metrics.BreakerOpen(rt.name, name, state == backend.BreakerOpen || state == backend.BreakerTrying)
	}
}

// breakerView is the state of a backend's breaker.
type breakerView struct {
	// State is off, closed, open, or trying: a single call is sent to see whether the broker answers again.
	State backend.BreakerState `json:"state"`
	// Failures is how many calls in a row failed.
	Failures int `json:"failures"`
	// RetryAt is when the next call is tried, while calls are refused.
	RetryAt *time.Time `json:"retry_at,omitempty"`
}

// credentialsView tells how the gateway authenticates to a backend.
type credentialsView struct {
	// Kind is none, basic_auth, bearer_token, oauth2 or ibm_iam.
	Kind string `json:"kind"`
	// ExpiresAt is when the present token ends; absent where there is none.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// Error is why the last token could not be had.
	Error string `json:"error,omitempty"`
}

// viewCalls tells how calls to the backend fare.
func (v *backendView) viewCalls(s *backendSettings, status backend.Status) {
	v.InFlight, v.MaxInFlight = status.InFlight, status.MaxInFlight
	v.Breaker = breakerView{State: status.Breaker, Failures: status.Failures, RetryAt: present(status.RetryAt)}
	v.Credentials = credentialsView{Kind: s.credentials.kind, ExpiresAt: present(status.TokenUntil)}
	if status.TokenError != nil {
		v.Credentials.Error = status.TokenError.Error()
	}
}

// present is a time to be shown, or nil for none.
func present(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}
