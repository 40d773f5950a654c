package caddymodule

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// conflictPause is how long credentials of several platforms are not logged again after they were, for each group of
// platforms.
const conflictPause = time.Minute

// addPlatforms makes the authenticator. What that of a running gateway of the same name knows is taken over.
func (rt *runtime) addPlatforms(ctx caddy.Context, g *Gateway) error {
	var problems []error
	platforms := make([]platform.Platform, len(rt.platforms))
	for i, p := range rt.platforms {
		rt.callers[p.name] = p
		platforms[i] = platform.Platform{Name: p.name, Basic: p.basic, Certificates: p.certificates}
		for j, s := range p.tokens {
			rule, err := rt.tokenRule(ctx, g.Platforms[i].JWT[j], s)
			if err != nil {
				problems = append(problems, fmt.Errorf("platform %q: %w", p.name, err))
			}
			platforms[i].Tokens = append(platforms[i].Tokens, rule)
		}
	}
	authenticator, err := platform.NewAuthenticator(platforms)
	if err == nil {
		rt.authenticator, rt.challenges = authenticator, authenticator.Challenges()
		if before := running.latest(rt.name); before != nil {
			authenticator.Inherit(before.authenticator)
		}
	}
	return errors.Join(append(problems, err)...)
}

// refusalLog keeps the log from filling up with what callers can repeat as often as they like.
type refusalLog struct {
	mu sync.Mutex
	// conflicts has when each group of platforms was logged last. There are no more groups than the configuration has.
	conflicts map[string]time.Time
	// keys has what is wrong with the keys of each issuer, so that only changes are logged.
	keys map[string]keysTrouble
}

type keysTrouble struct{ problem, leftOut string }

// noteRefusal logs why credentials were refused: for an operator at once where the configuration is ambiguous, and else
// at level DEBUG. Nothing that the caller sent is logged with it.
func (rt *runtime) noteRefusal(c *call, err error) {
	if conflict, ok := errors.AsType[*platform.ConflictError](err); ok {
		if rt.refusals.isDue(conflict.Error(), time.Now()) {
			rt.logger.Warn("credentials were refused because they stand for several platforms; correct the configuration, "+
				"or what the caller sends", zap.String("gateway", rt.name), zap.String("what", conflict.What),
				zap.Strings("platforms", conflict.Platforms), zap.String("request_identity", c.requestIdentity))
		}
		return
	}
	if entry := rt.logger.Check(zapcore.DebugLevel, "credentials were refused"); entry != nil {
		entry.Write(zap.String("gateway", rt.name), zap.String("operation", c.path.Operation.String()),
			zap.String("request_identity", c.requestIdentity), zap.Error(err))
	}
}

// isDue tells whether a conflict is to be logged now.
func (l *refusalLog) isDue(conflict string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, logged := l.conflicts[conflict]; logged && now.Sub(last) < conflictPause {
		return false
	}
	if l.conflicts == nil {
		l.conflicts = make(map[string]time.Time)
	}
	l.conflicts[conflict] = now
	return true
}

// noteKeys logs when the keys of an issuer cannot be read, and when they can again.
func (rt *runtime) noteKeys(report platform.KeyReport) {
	now := keysTrouble{leftOut: strings.Join(report.LeftOut, "; ")}
	if report.Err != nil {
		now.problem = report.Err.Error()
	}
	before := rt.refusals.swapKeys(report.Platform+" "+report.Issuer, now)
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

// swapKeys notes what is wrong with the keys of an issuer now, and returns what was wrong before.
func (l *refusalLog) swapKeys(issuer string, now keysTrouble) (before keysTrouble) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys = make(map[string]keysTrouble)
	}
	before = l.keys[issuer]
	if now.problem != "" {
		now.leftOut = before.leftOut
	}
	l.keys[issuer] = now
	return before
}
