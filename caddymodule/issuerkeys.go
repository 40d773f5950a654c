package caddymodule

import (
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// issuerOf is an issuer of tokens of a platform.
type issuerOf struct{ platform, issuer string }

// keysState is what is known of the keys of an issuer.
type keysState struct {
	count int
	// readAt is when they were last read, problem why they could not be read since.
	readAt           time.Time
	problem, leftOut string
}

// issuerView is an issuer of tokens of a platform.
type issuerView struct {
	Issuer string `json:"issuer"`
	// Keys is how many there are, and ReadAt when their source was last read well.
	Keys   int        `json:"keys"`
	ReadAt *time.Time `json:"read_at,omitempty"`
	// Error is why the last reading failed.
	Error string `json:"error,omitempty"`
}

// viewIssuers tells the state of the issuers of a platform's tokens.
func (rt *runtime) viewIssuers(p *platformSettings) []issuerView {
	views := make([]issuerView, len(p.tokens))
	for i, token := range p.tokens {
		keys := rt.refusals.keysOf(issuerOf{p.name, token.Issuer})
		views[i] = issuerView{Issuer: token.Issuer, Keys: keys.count, Error: keys.problem}
		if !keys.readAt.IsZero() {
			at := keys.readAt.UTC()
			views[i].ReadAt = &at
		}
	}
	return views
}

// noteKeys keeps how a look at the keys of an issuer went, and logs when they cannot be read, and when they can again.
func (rt *runtime) noteKeys(report platform.KeyReport) {
	now := keysState{count: report.Keys, readAt: time.Now(), leftOut: strings.Join(report.LeftOut, "; ")}
	if report.Err != nil {
		now.problem = report.Err.Error()
	}
	before := rt.refusals.swapKeys(issuerOf{report.Platform, report.Issuer}, now)
	logger := rt.logger.With(zap.String("gateway", rt.name), zap.String("platform", report.Platform),
		zap.String("issuer", report.Issuer), zap.Int("keys", report.Keys))
	switch {
	case now.problem != "" && now.problem != before.problem:
		logger.Warn("the keys of an issuer cannot be read; its tokens are checked with those that are known, if any",
			zap.String("error", now.problem))
	case now.problem == "" && before.problem != "":
		logger.Info("the keys of an issuer can be read again")
	}
	if now.leftOut != "" && now.leftOut != before.leftOut {
		logger.Info("some keys of an issuer are not used", zap.Strings("left_out", report.LeftOut))
	}
}

// swapKeys keeps what is known of the keys of an issuer now, and returns what was known before.
func (l *refusalLog) swapKeys(issuer issuerOf, now keysState) (before keysState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys = make(map[issuerOf]keysState)
	}
	before = l.keys[issuer]
	if now.problem != "" {
		now.leftOut, now.readAt = before.leftOut, before.readAt
	}
	l.keys[issuer] = now
	return before
}

// keysOf tells what is known of the keys of an issuer; nothing before they were looked at.
func (l *refusalLog) keysOf(issuer issuerOf) keysState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys[issuer]
}
