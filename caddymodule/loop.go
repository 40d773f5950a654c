package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// errLoop is why a call is refused that has passed this gateway before: nothing would ever answer it.
var errLoop = errors.New("the call has passed this gateway before: a backend's URL leads back to it")

// errTooManyGateways is why a call is refused that has passed more gateways than anybody has.
var errTooManyGateways = errors.New("the call has passed too many gateways")

const loopDescription = "The request has come back to the gateway that sent it: the URL of one of its backends leads to the " +
	"gateway itself, or to one that has it as a backend. Correct the URL."

// gatewayMark is how a gateway knows its own calls again. It never changes.
type gatewayMark struct {
	// store is the identity of the store that the mark is made of.
	store string
	own   string
	// alone is the header of a call that no other gateway has passed.
	alone []string
}

// processMark is what a gateway uses, besides, until it knows which store it has.
var processMark = "p-" + newStoreID()

// newGatewayMark makes the mark that all gateways of one name on one store have. It gives neither away.
func newGatewayMark(gateway, store string) *gatewayMark {
	m := &gatewayMark{store: store, own: processMark}
	if store != "" {
		sum := sha256.Sum256([]byte("osb-gateway\x00" + gateway + "\x00" + store))
		m.own = "g-" + hex.EncodeToString(sum[:12])
	}
	m.alone = osb.FormatGateways([]string{m.own})
	return m
}

// is tells whether a mark is this gateway's.
func (m *gatewayMark) is(mark string) bool { return mark == m.own || mark == processMark }

// identified has the mark made of the store's identity.
func (s *sharedStore) identified(store string) {
	if mark := s.mark.Load(); mark == nil || mark.store != store {
		s.mark.Store(newGatewayMark(s.gateway, store))
	}
}

// ownMark is the mark that the gateway's own requests carry. A check of a configuration has no store to make it of.
func (rt *runtime) ownMark() string {
	if rt.store == nil {
		return processMark
	}
	return rt.store.mark.Load().own
}

// checkLoop refuses a call that this gateway sent itself, and notes what the header has to say to the next gateway. A
// platform that writes this gateway's mark into a call has that call refused, and nothing else.
func (c *call) checkLoop() error {
	mark := c.rt.store.mark.Load()
	c.gateways = mark.alone
	values := c.r.Header[osb.HeaderGateways]
	if len(values) == 0 {
		return nil
	}
	passed := osb.Gateways(values)
	switch {
	case slices.ContainsFunc(passed, mark.is):
		if _, known := c.rt.looping.LoadOrStore(c.platform.name, true); !known {
			c.rt.logger.Error("a call has come back to this gateway: the URL of one of its backends leads to itself, or to a "+
				"gateway that has this one as a backend; such calls get 400",
				zap.String("gateway", c.rt.name), zap.String("platform", c.platform.name))
		}
		return errLoop
	case len(passed) >= osb.MaxGateways:
		return errTooManyGateways
	}
	c.gateways = osb.FormatGateways(append(passed, mark.own))
	return nil
}

// answerToLoop is what a gateway in front of this one reads its own mark in.
func (c *call) answerToLoop() answer {
	a := newAnswer(http.StatusBadRequest, codeBadRequest, loopDescription)
	mark := c.rt.store.mark.Load()
	a.header[osb.HeaderGateways] = osb.FormatGateways([]string{mark.own, processMark})
	return a
}

// tellGateways tells a gateway that asks for the catalog which gateways it comes from: this one, and those behind it. If
// the one that asks is among them, its own offerings would come back to it.
func (c *call) tellGateways(header http.Header) {
	if len(c.r.Header[osb.HeaderGateways]) == 0 {
		return
	}
	marks := []string{c.rt.store.mark.Load().own}
	for _, b := range c.rt.backends {
		for _, mark := range c.rt.brokers[b.name].Gateways() {
			if !slices.Contains(marks, mark) && len(marks) < osb.MaxGateways {
				marks = append(marks, mark)
			}
		}
	}
	header[osb.HeaderGateways] = osb.FormatGateways(marks)
}
