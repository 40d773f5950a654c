package routing_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// walkBackend is an honest asynchronous backend: it says only what is so, and begins no call later than its time.
type walkBackend struct {
	rand   *rand.Rand
	things map[routing.Key]*walkThing
	count  int
}

// walkThing is an instance or a binding as its backend knows it.
type walkThing struct {
	holds bool
	// ours: what it holds was made by a call through the gateway.
	ours bool
	// operations are all there ever were; the last may be under way. Calls that were answered at once count too.
	operations []*walkOperation
}

type walkOperation struct {
	id string
	// renamed are the names that a repeated create was told.
	renamed         []string
	kind            routing.Kind
	over, succeeded bool
}

func (t *walkThing) last() *walkOperation {
	if len(t.operations) == 0 {
		return nil
	}
	return t.operations[len(t.operations)-1]
}

// underWay is the operation that the backend is at, if any.
func (t *walkThing) underWay() *walkOperation {
	if last := t.last(); last != nil && !last.over {
		return last
	}
	return nil
}

// mayHold tells whether the backend has the thing or is making it.
func (t *walkThing) mayHold() bool {
	operation := t.underWay()
	return t.holds || operation != nil && operation.kind == routing.KindCreate
}

// accept begins an operation.
func (b *walkBackend) accept(thing *walkThing, kind routing.Kind) routing.Outcome {
	b.count++
	operation := &walkOperation{id: fmt.Sprintf("o%d", b.count), kind: kind}
	thing.operations = append(thing.operations, operation)
	return acceptedAs(operation.id)
}

// atOnce does what an operation would do.
func (b *walkBackend) atOnce(thing *walkThing, kind routing.Kind) routing.Outcome {
	b.count++
	thing.operations = append(thing.operations, &walkOperation{
		id: fmt.Sprintf("o%d", b.count), kind: kind, over: true, succeeded: true,
	})
	if kind != routing.KindUpdate {
		thing.holds = kind == routing.KindCreate
	}
	return outcomeDone
}

// finish ends the operation under way. A creation that failed may leave something behind.
func (b *walkBackend) finish(thing *walkThing, succeeds bool) {
	operation := thing.underWay()
	operation.over, operation.succeeded = true, succeeds
	switch {
	case operation.kind == routing.KindCreate:
		thing.holds = succeeds || b.rand.IntN(2) == 0
	case operation.kind == routing.KindDelete && succeeds:
		thing.holds = false
	}
}

// execute does what a call asks and returns the answer.
func (b *walkBackend) execute(call *routing.Call) routing.Outcome {
	thing := b.things[call.Key]
	switch call.Kind {
	case routing.KindCreate:
		return b.create(call, thing)
	case routing.KindDelete:
		return b.remove(thing)
	case routing.KindUpdate:
		return b.update(thing)
	case routing.KindPoll:
		return b.poll(thing, call.Operation)
	default:
		if !thing.holds {
			return notFound
		}
		return outcomeOther
	}
}

func (b *walkBackend) create(call *routing.Call, thing *walkThing) routing.Outcome {
	operation := thing.underWay()
	switch {
	case operation != nil && operation.kind == routing.KindCreate && b.rand.IntN(2) == 0:
		if b.rand.IntN(2) == 0 {
			b.count++
			operation.renamed = append(operation.renamed, fmt.Sprintf("o%d", b.count))
			return acceptedAs(operation.renamed[len(operation.renamed)-1])
		}
		return acceptedAs(operation.id)
	case operation != nil:
		return outcomeExists
	case thing.holds && b.rand.IntN(2) == 0:
		return outcomeDone
	case thing.holds:
		return outcomeExists
	case call.Key.Binding != "" && !b.things[routing.Key{Instance: call.Key.Instance}].holds:
		return outcomeRefused
	}
	switch b.rand.IntN(6) {
	case 0:
		return outcomeRefused
	case 1:
		return outcomeFailed
	case 2:
		thing.ours = true
		b.atOnce(thing, routing.KindCreate)
		return outcomeFailed
	case 3:
		thing.ours = true
		return b.atOnce(thing, routing.KindCreate)
	default:
		thing.ours = true
		return b.accept(thing, routing.KindCreate)
	}
}

func (b *walkBackend) remove(thing *walkThing) routing.Outcome {
	operation := thing.underWay()
	switch {
	case operation != nil && operation.kind == routing.KindDelete && b.rand.IntN(2) == 0:
		return acceptedAs(operation.id)
	case operation != nil && operation.kind == routing.KindCreate && b.rand.IntN(2) == 0:
		operation.over = true // given up in favour of the deletion, which cleans up after it
		thing.holds = true
		return b.accept(thing, routing.KindDelete)
	case operation != nil:
		return outcomeOther
	case !thing.holds:
		return outcomeDone // 410
	}
	switch b.rand.IntN(4) {
	case 0:
		return outcomeOther
	case 1:
		return b.atOnce(thing, routing.KindDelete)
	default:
		return b.accept(thing, routing.KindDelete)
	}
}

func (b *walkBackend) update(thing *walkThing) routing.Outcome {
	switch {
	case thing.underWay() != nil:
		return outcomeExists
	case !thing.holds:
		return outcomeRefused
	}
	switch b.rand.IntN(4) {
	case 0:
		return outcomeRefused
	case 1:
		return outcomeFailed
	case 2:
		return b.atOnce(thing, routing.KindUpdate)
	default:
		return b.accept(thing, routing.KindUpdate)
	}
}

// poll answers for the named operation or, without a name, for the last one.
func (b *walkBackend) poll(thing *walkThing, name string) routing.Outcome {
	operation := thing.last()
	if name != "" {
		i := slices.IndexFunc(thing.operations, func(o *walkOperation) bool {
			return o.id == name || slices.Contains(o.renamed, name)
		})
		if i < 0 {
			return notFound
		}
		operation = thing.operations[i]
	}
	switch {
	case operation == nil || !operation.over:
		return outcomeOther
	case !operation.succeeded:
		return outcomeFailedOp
	case operation.kind == routing.KindDelete && b.rand.IntN(2) == 0:
		return outcomeGone
	}
	return outcomeSucceeded
}
