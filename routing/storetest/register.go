package storetest

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// register is what the ownership of one instance id is, told one event at a time: who owns it, and which calls are
// under way. It was written from the tables of the protocol, for calls that are answered at once and for times that do
// not pass. Calls are bits, by their numbers.
type register struct {
	known, live  bool
	backend      routing.BackendID
	life         int8 // the number of the create that claimed the id
	seen, sent   bool
	neverCreated bool
	// doubted: the answer to a create was lost. doubt: it may still take effect.
	doubted, doubt                        bool
	creates, deletes, final, voided, done uint64
}

// event is one thing that a client of the register did.
type event struct {
	instance routing.InstanceID
	call     int8
	kind     routing.Kind
	// closes: the outcome of a call is noted; else it is begun.
	closes  bool
	backend routing.BackendID // who the catalog names, or who the call was sent to
	life    int8              // what the call was begun with
	outcome routing.Outcome
}

// reply is what the client was told.
type reply struct {
	refusal routing.Refusal
	backend routing.BackendID
	life    int8
	live    bool
	final   bool
	verdict routing.Verdict
}

func (e event) String() string {
	if e.closes {
		return fmt.Sprintf("%s %d ends: %s, settled %t", e.kind, e.call, e.outcome.Class, e.outcome.Settled)
	}
	return fmt.Sprintf("%s %d on %s", e.kind, e.call, e.backend)
}

// registerModel is the register as porcupine wants it, one for each instance id.
var registerModel = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		next, want := state.(register).step(input.(event))
		return want == output.(reply), next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%s: %+v", input, output) },
	DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
}

// step returns the register after an event, and what the client is to be told.
func (r register) step(e event) (register, reply) {
	bit := uint64(1) << e.call
	switch {
	case e.kind == routing.KindFetch && r.known:
		return r, reply{backend: r.backend, life: r.life, live: r.live}
	case e.kind == routing.KindFetch:
		return r, reply{backend: e.backend}
	case e.kind == routing.KindCreate && e.closes:
		return r.closeCreate(e, bit), reply{}
	case e.kind == routing.KindCreate:
		return r.beginCreate(e, bit)
	case e.closes:
		return r.closeDelete(e, bit)
	}
	return r.beginDelete(e, bit)
}

func (r register) beginCreate(e event, bit uint64) (register, reply) {
	switch {
	case !r.live:
		r = register{known: true, live: true, backend: e.backend, life: e.call, creates: bit, done: r.done}
	case r.backend != e.backend:
		return r, reply{refusal: routing.RefusalTaken}
	default:
		r.creates |= bit
		r.voided |= r.deletes
	}
	return r, reply{backend: r.backend, life: r.life, live: true}
}

func (r register) beginDelete(e event, bit uint64) (register, reply) {
	switch {
	case !r.known:
		return r, reply{backend: e.backend}
	case !r.live && r.neverCreated && !r.sent:
		return r, reply{refusal: routing.RefusalNeverSent}
	case !r.live:
		return r, reply{backend: r.backend, life: r.life}
	}
	r.deletes |= bit
	told := reply{backend: r.backend, life: r.life, live: true, final: r.creates == 0 && !r.doubt}
	if told.final {
		r.final |= bit
	}
	return r, told
}

func (r register) closeCreate(e event, bit uint64) register {
	if r.done&bit != 0 {
		return r
	}
	nothing := e.outcome.Class == routing.ClassNothing
	if nothing && (!r.known || r.life != e.life) {
		return r
	}
	r.creates &^= bit
	r.done |= bit
	if nothing {
		r.sent = r.sent || e.outcome.Delivered
		if r.live && !r.seen && !r.doubted && r.creates == 0 {
			r.live, r.neverCreated = false, true
		}
		return r
	}
	r.live, r.neverCreated, r.sent = true, false, true
	r.voided |= r.deletes
	switch e.outcome.Class {
	case routing.ClassDone:
		r.seen = true
	case routing.ClassExists:
		r.seen = r.seen || r.creates == 0
	default:
		r.doubted = true
		r.doubt = r.doubt || !e.outcome.Settled
	}
	return r
}

func (r register) closeDelete(e event, bit uint64) (register, reply) {
	entered := r.deletes&bit != 0
	if e.outcome.Class != routing.ClassDone {
		if entered {
			r.deletes &^= bit
			r.done |= bit
		}
		return r, reply{}
	}
	switch {
	case !r.known: // what was deleted was not known: its tombstone is written
		return register{known: true, backend: e.backend, life: e.call, sent: true, done: bit}, reply{}
	case !r.live:
		return r, reply{}
	case !entered, r.final&bit == 0, r.voided&bit != 0:
		r.deletes &^= bit
		r.done |= bit
		return r, reply{verdict: routing.VerdictRepeat}
	}
	r.done |= r.creates | r.deletes
	r.creates, r.deletes = 0, 0
	r.live, r.seen, r.doubted, r.doubt, r.sent = false, false, false, false, true
	return r, reply{}
}
