package caddymodule

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// describe says where the store is, without user, password or anything else of a URL that may be secret.
func (s *storeSettings) describe() string {
	switch s.Kind {
	case "file":
		return s.Path
	case "memory":
		return "in memory, gone with the process"
	}
	addresses, db := s.Addresses, strconv.Itoa(s.DB)
	if s.URL != "" {
		addresses = []string{"its URL"}
		if parsed, err := url.Parse(s.URL); err == nil {
			addresses = []string{parsed.Host}
			if path := strings.Trim(parsed.Path, "/"); path != "" && s.DB == 0 {
				db = path
			}
		}
	}
	where := "at " + strings.Join(addresses, ", ")
	switch {
	case s.Cluster:
		where = "cluster " + where
	case s.SentinelMaster != "":
		where = "master " + s.SentinelMaster + ", by sentinels " + where + ", db " + db
	default:
		where += ", db " + db
	}
	return where + ", keys " + s.KeyPrefix + ":" + s.Gateway
}

// outage remembers since when a store does not answer. It belongs to the pooled store, so that a reload does not begin
// it anew.
type outage struct {
	began atomic.Pointer[time.Time]
}

// note takes the end of a round trip.
func (o *outage) note(err error) {
	switch {
	case err == nil || errors.Is(err, routing.ErrUnknownStore):
		if o.began.Load() != nil { // the rule is that nothing is written here
			o.began.Store(nil)
		}
	case errors.Is(err, context.Canceled):
		// Whoever asked did not wait for the answer.
	case o.began.Load() == nil:
		now := time.Now()
		o.began.CompareAndSwap(nil, &now)
	}
}

// since returns when the first call failed that no successful one came after; zero if the last one succeeded.
func (o *outage) since() time.Time {
	if began := o.began.Load(); began != nil {
		return *began
	}
	return time.Time{}
}
