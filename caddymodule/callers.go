package caddymodule

import (
	"errors"
	"fmt"
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
	// keys has what is known of the keys of each issuer, so that only changes are logged.
	keys map[issuerOf]keysState
}

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
