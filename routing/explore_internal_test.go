package routing

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"
	"time"
)

// The exploration walks every state that two backends and up to four concurrent calls on one instance id can reach:
// each call may stall or die before it is sent, while it runs and before its outcome is written; the backend may start
// it late, answer anything, or have its answer lost; outcomes are written in any order, twice, or never. Time is a few
// ticks: a call times out after one, and the backend starts nothing more than one (the settle time) after the gateway
// gave it up.
const (
	tick        = time.Second
	lastTick    = 2
	modelBegin  = Moment(1_000_000)
	timeoutTick = 1
	settleTick  = 1
)

type modelConfig struct{}

func (modelConfig) Window(BackendID) (Window, bool) {
	return Window{Timeout: timeoutTick * tick, Settle: settleTick * tick}, true
}
func (modelConfig) Platform(id PlatformID) (PlatformID, bool) { return id, true }
func (modelConfig) Suspect(BackendID) bool                    { return false }

func moment(ticks int8) Moment { return modelBegin.Add(time.Duration(ticks) * tick) }

var backends = [2]BackendID{"a", "b"}

// phase is how far a call has come.
type phase int8

const (
	idle phase = iota
	begun
	waiting   // sent; the gateway waits
	answered  // the outcome is known, not written
	committed // written once; it may be written again
	over
)

// flight is one call under way.
type flight struct {
	call     *Call
	phase    phase
	decision Decision
	outcome  Outcome
	// pending: the backend has the call and has not started it; it will not after `expires`.
	pending bool
	begunAt int8
	expires int8
	// late: its outcome was written after the store had lost the record.
	late bool
}

// world is one state of the model.
type world struct {
	record *Record
	holds  [2]bool
	now    int8
	lost   bool
	// maker is the call that made what the backend holds.
	maker [2]int8
	// repeats is how many commits may still be written a second time.
	repeats int8
	flights [4]flight
	count   int8
}

// protocol is what is explored: the real one, or one with a rule taken out.
type protocol struct {
	begin func(Records, *Call, Config, Moment) (Records, Decision)
	close func(Records, *Call, *Decision, Outcome, Moment) (Records, Verdict)
}

var realProtocol = protocol{begin: Begin, close: Close}

// explorer visits states depth first.
type explorer struct {
	protocol protocol
	// loses: the store may lose the record once. Then rules are judged at the end only, and nobody dies.
	loses bool
	seen  map[uint64]struct{}
	seed  maphash.Seed
	key   []byte
	parts [4][]byte
	// violation is the first broken rule, with the steps that led there.
	violation string
	steps     []move
}

// move is one step of the model, by the call of that number (-1 for none).
type move struct {
	call int8
	what string
}

func (e *explorer) trail() string {
	words := make([]string, len(e.steps))
	for i, s := range e.steps {
		words[i] = fmt.Sprintf("%d %s", s.call, s.what)
	}
	return strings.Join(words, "; ")
}

func (e *explorer) explore(w *world) {
	if e.violation != "" {
		return
	}
	if broken := e.judge(w); broken != "" {
		e.violation = broken + " after: " + e.trail()
		return
	}
	key := maphash.Bytes(e.seed, e.encode(w))
	if _, ok := e.seen[key]; ok {
		return
	}
	e.seen[key] = struct{}{}

	moves := 0
	step := func(what string, i int8, change func(*world)) {
		moves++
		next := *w
		change(&next)
		e.steps = append(e.steps, move{i, what})
		e.explore(&next)
		e.steps = e.steps[:len(e.steps)-1]
	}
	for i := range w.count {
		e.moves(w, i, step)
	}
	if w.now < lastTick {
		step("tick", -1, func(next *world) {
			next.now++
			for i := range next.flights {
				if f := &next.flights[i]; f.pending && next.now >= f.expires {
					f.pending = false // by assumption the backend does not start it any more
				}
			}
		})
	}
	if e.loses && !w.lost && w.record != nil && w.awaitsCommit() {
		step("store loses the record", -1, func(next *world) { next.record, next.lost = nil, true })
	}
	if moves == 0 {
		if broken := e.judgeEnd(w); broken != "" {
			e.violation = broken + " at the end of: " + e.trail()
		}
	}
}

// moves lists what may happen next to one call.
func (e *explorer) moves(w *world, i int8, step func(string, int8, func(*world))) {
	f := &w.flights[i]
	switch f.phase {
	case idle:
		if i > 0 && w.flights[i-1].phase == idle && sameKind(f.call, w.flights[i-1].call) {
			return // calls of a kind are interchangeable: the first begins first
		}
		step("begin", i, func(next *world) { e.begin(next, i) })
	case begun:
		if !e.loses {
			step("die before send", i, func(next *world) { next.flights[i].phase = over })
		}
		step("cannot be sent", i, func(next *world) {
			e.answer(next, i, Outcome{Class: failed(f.call)})
		})
		if w.now < f.begunAt+timeoutTick {
			step("send", i, func(next *world) {
				f := &next.flights[i]
				f.phase, f.pending, f.expires = waiting, true, f.begunAt+timeoutTick+settleTick
			})
		}
	case waiting:
		if !e.loses {
			step("die while waiting", i, func(next *world) { next.flights[i].phase = over })
		}
		step("give up", i, func(next *world) {
			f := &next.flights[i]
			f.expires = min(f.expires, next.now+settleTick)
			if next.now >= f.expires {
				f.pending = false
			}
			e.answer(next, i, Outcome{Class: lostClass(f.call), Delivered: true})
		})
	case answered:
		if !e.loses {
			step("die before commit", i, func(next *world) { next.flights[i].phase = over })
		}
		step("commit", i, func(next *world) { e.commit(next, i, committed) })
	case committed:
		if w.repeats > 0 {
			step("commit again", i, func(next *world) {
				next.repeats--
				e.commit(next, i, over)
			})
		}
	case over:
	}
	if f.pending {
		e.executions(w, i, step)
	}
}

func (e *explorer) begin(w *world, i int8) {
	f := &w.flights[i]
	records, decision := e.protocol.begin(Records{Instance: w.record}, f.call, modelConfig{}, moment(w.now))
	f.decision = decision
	f.begunAt = w.now
	if decision.Refusal != RefusalNone {
		f.phase = over
		if !e.loses && decision.Refusal == RefusalNeverSent && (w.holds[0] || w.holds[1]) {
			e.violation = "410 of the gateway's making while a backend holds the instance, after: " + e.trail()
		}
		return
	}
	w.record = records.Instance
	f.phase = begun
}

// executions lists what the backend may make of a call that it has.
func (e *explorer) executions(w *world, i int8, step func(string, int8, func(*world))) {
	f := &w.flights[i]
	b := slices.Index(backends[:], f.decision.Backend)
	execute := func(what string, holds bool, outcome Outcome) {
		outcome.Delivered = true
		step(what, i, func(next *world) {
			if holds && !next.holds[b] {
				next.maker[b] = i
			}
			next.holds[b] = holds
			next.flights[i].pending = false
			if next.flights[i].phase == waiting {
				e.answer(next, i, outcome)
			}
		})
	}
	if f.call.Kind == KindDelete {
		execute("deleted or not there", false, Outcome{Class: ClassDone})
		execute("delete refused", w.holds[b], Outcome{Class: ClassOther})
		execute("deleted, answer lost", false, Outcome{Class: ClassOther})
		return
	}
	if w.holds[b] {
		execute("there already", true, Outcome{Class: ClassDone})
		execute("exists", true, Outcome{Class: ClassExists})
	} else {
		execute("created", true, Outcome{Class: ClassDone})
		execute("create refused", false, Outcome{Class: ClassNothing})
	}
	execute("created, answer lost", true, Outcome{Class: ClassUnknown})
	execute("created, answered 500", true, Outcome{Class: ClassUnknown, Settled: true})
	execute("busy", w.holds[b], Outcome{Class: ClassExists})
}

func (e *explorer) answer(w *world, i int8, outcome Outcome) {
	w.flights[i].outcome = outcome
	w.flights[i].phase = answered
}

func (e *explorer) commit(w *world, i int8, then phase) {
	f := &w.flights[i]
	records, _ := e.protocol.close(Records{Instance: w.record}, f.call, &f.decision, f.outcome, moment(w.now))
	w.record = records.Instance
	f.phase = then
	f.late = w.lost && f.tells()
}

// awaitsCommit tells whether a create has an outcome to be written that says more than nothing.
func (w *world) awaitsCommit() bool {
	return slices.ContainsFunc(w.flights[:w.count], func(f flight) bool {
		return f.phase == answered && f.tells()
	})
}

// tells: the outcome alone says that the backend may hold the instance. One that it exists already may be about another
// create that is under way.
func (f *flight) tells() bool {
	return f.call.Kind == KindCreate && f.outcome.Class != ClassNothing && f.outcome.Class != ClassExists
}

func failed(call *Call) Class {
	if call.Kind == KindDelete {
		return ClassOther
	}
	return ClassNothing
}

func lostClass(call *Call) Class {
	if call.Kind == KindDelete {
		return ClassOther
	}
	return ClassUnknown
}

// routable tells whether calls reach what the backend holds.
func (w *world) routable(b int) bool {
	r := w.record
	if r == nil {
		return false
	}
	return r.Live() && r.Backend == backends[b] || slices.ContainsFunc(r.Strays, func(s Stray) bool { return s.Backend == backends[b] })
}

// judge checks the rules that hold in every state.
func (e *explorer) judge(w *world) string {
	if e.loses {
		return ""
	}
	if w.holds[0] && w.holds[1] {
		return "two backends hold the instance"
	}
	for b, holds := range w.holds {
		if holds && !w.routable(b) {
			return "a backend holds an instance that no record leads to"
		}
	}
	return ""
}

// judgeEnd checks the rules that hold when every call is over and every time has passed.
func (e *explorer) judgeEnd(w *world) string {
	if e.loses {
		for b, holds := range w.holds {
			if holds && w.flights[w.maker[b]].late && !w.routable(b) {
				return "an instance stays lost after its commits"
			}
		}
		return ""
	}
	if w.record == nil || !w.record.Live() {
		return ""
	}
	// Nothing is stuck: the platform's next delete ends the record.
	call := newModelCall(KindDelete, "", "last")
	now := moment(lastTick + timeoutTick + settleTick)
	records, decision := e.protocol.begin(Records{Instance: w.record}, call, modelConfig{}, now)
	records, verdict := e.protocol.close(records, call, &decision, Outcome{Class: ClassDone, Delivered: true}, now)
	if verdict != VerdictRelay || records.Instance.Live() {
		return "a delete does not end the record"
	}
	return ""
}

// encode names a state by all that can still matter: calls by what distinguishes them, not by their place; a life only
// by whether it is the record's; a time that has passed only as passed.
func (e *explorer) encode(w *world) []byte {
	key := e.key[:0]
	key = append(key, byte(w.now), byte(w.repeats), flag(w.holds[0]), flag(w.holds[1]), flag(w.lost))
	if r := w.record; r != nil {
		key = append(key, r.State[0], r.State[1], r.Backend[0], flag(r.Seen), flag(r.Sent), flag(r.NeverCreated),
			w.ticks(r.DoubtUntil), byte(len(r.Strays)))
		for _, s := range r.Strays {
			key = append(key, s.Backend[0])
		}
	}
	for i := range w.count {
		e.parts[i] = w.encodeFlight(e.parts[i][:0], &w.flights[i])
		if e.loses {
			f := &w.flights[i]
			e.parts[i] = append(e.parts[i], 'l', flag(f.late), flag(w.holds[0] && w.maker[0] == i), flag(w.holds[1] && w.maker[1] == i))
		}
	}
	parts := e.parts
	slices.SortFunc(parts[:w.count], slices.Compare)
	for _, p := range parts[:w.count] {
		key = append(key, p...)
	}
	e.key = key
	return key
}

func (w *world) encodeFlight(p []byte, f *flight) []byte {
	phase := f.phase
	if phase == committed && w.repeats == 0 {
		phase = over
	}
	p = append(p, '|', f.call.Kind[0], byte(phase))
	if phase == idle {
		return append(p, f.call.Offer.Backend...)
	}
	if f.pending {
		p = append(p, 'p', byte(f.expires))
	}
	if phase == begun {
		p = append(p, byte(f.begunAt))
	}
	if phase != over || f.pending {
		p = append(p, f.decision.Backend...)
	}
	if phase != over {
		p = append(p, flag(w.record != nil && f.decision.life == w.record.Life))
	}
	if phase == answered || phase == committed {
		p = append(p, f.outcome.Class[0], f.outcome.Class[1], flag(f.outcome.Settled), flag(f.outcome.Delivered))
	}
	if w.record == nil {
		return p
	}
	entry, entered := w.record.Calls[f.call.Token]
	switch {
	case !entered:
	case entry.Done != 0:
		if phase != over {
			p = append(p, 'd')
		}
	case f.call.Kind == KindCreate:
		p = append(p, 'c', w.ticks(entry.Until))
	case phase != over:
		p = append(p, 'o', flag(entry.Final), flag(entry.Voided))
	}
	return p
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (w *world) ticks(m Moment) byte {
	switch {
	case m == 0:
		return 255
	case m <= moment(w.now):
		return 254
	}
	return byte((m - modelBegin) / Moment(tick.Milliseconds()))
}

func sameKind(a, b *Call) bool { return a.Kind == b.Kind && a.Offer == b.Offer }

func newModelCall(kind Kind, offer BackendID, token string) *Call {
	return &Call{
		Token: token, Life: "life-" + token, Kind: kind, Key: Key{Instance: "i"}, Platform: "p",
		Service: ServiceID("offering"), Offer: Offer{Backend: offer}, Hint: Hint{Backend: "a"},
	}
}

// run explores all states of the given calls: 'a' and 'b' create on that backend, 'd' deletes, and 'x' creates what the
// catalog does not offer any more.
func (e *explorer) run(calls string) {
	if e.seen == nil {
		e.seen = make(map[uint64]struct{})
		e.seed = maphash.MakeSeed()
	}
	w := &world{count: int8(len(calls)), repeats: 1}
	if len(calls) == len(w.flights) {
		w.repeats = 0 // a commit that is written again is explored among three calls
	}
	for i, c := range calls {
		kind, offer := KindDelete, BackendID("")
		if c != 'd' {
			kind, offer = KindCreate, BackendID(c)
		}
		w.flights[i].call = newModelCall(kind, offer, fmt.Sprint(i))
		if c == 'x' {
			w.flights[i].call.Offer = Offer{Refusal: RefusalDraining}
		}
	}
	clear(e.seen)
	e.explore(w)
}

// rosters are the calls that are explored. With four calls, two of a kind at the least.
func rosters(most int) []string {
	all := []string{"a", "d", "aa", "ab", "ad", "aaa", "aab", "aad", "abd", "add", "ax", "axd", "axx", "aaad", "aabd", "aadd", "abdd"}
	return slices.DeleteFunc(all, func(s string) bool { return len(s) > most })
}

func TestExploreProtocol(t *testing.T) {
	t.Parallel()
	most := 4
	if testing.Short() || raceDetector {
		most = 3 // millions of states more tell nothing about races
	}
	for _, calls := range rosters(most) {
		t.Run(calls, func(t *testing.T) {
			t.Parallel()
			e := &explorer{protocol: realProtocol}
			e.run(calls)
			if e.violation != "" {
				t.Fatal(e.violation)
			}
			t.Logf("%d states", len(e.seen))
		})
	}
}

func TestExploreLostRecord(t *testing.T) {
	t.Parallel()
	for _, calls := range rosters(3) {
		e := &explorer{protocol: realProtocol, loses: true}
		e.run(calls)
		if e.violation != "" {
			t.Fatalf("%s: %s", calls, e.violation)
		}
	}
}

// TestExplorationCatches takes one rule out of the protocol at a time and expects the exploration to find out.
func TestExplorationCatches(t *testing.T) {
	t.Parallel()
	begin := func(change func(before, after *Record, call *Call, d *Decision)) protocol {
		p := realProtocol
		p.begin = func(r Records, c *Call, config Config, now Moment) (Records, Decision) {
			next, d := Begin(r, c, config, now)
			if next.Instance != nil {
				next.Instance = next.Instance.clone()
				change(r.Instance, next.Instance, c, &d)
			}
			return next, d
		}
		return p
	}
	before := func(change func(*Record)) protocol {
		p := realProtocol
		p.close = func(r Records, c *Call, d *Decision, o Outcome, now Moment) (Records, Verdict) {
			if r.Instance != nil {
				r.Instance = r.Instance.clone()
				change(r.Instance)
			}
			return Close(r, c, d, o, now)
		}
		return p
	}
	after := func(change func(before, after *Record, c *Call, o Outcome)) protocol {
		p := realProtocol
		p.close = func(r Records, c *Call, d *Decision, o Outcome, now Moment) (Records, Verdict) {
			next, v := Close(r, c, d, o, now)
			if next.Instance != nil {
				next.Instance = next.Instance.clone()
				change(r.Instance, next.Instance, c, o)
			}
			return next, v
		}
		return p
	}
	lossy := map[string]protocol{
		"a late create does not revive a tombstone": after(func(old, next *Record, _ *Call, _ Outcome) {
			if old != nil && !old.Live() && next.Live() {
				next.State = Gone
			}
		}),
		"a lost record is not written anew": func() protocol {
			p := realProtocol
			p.close = func(r Records, c *Call, d *Decision, o Outcome, now Moment) (Records, Verdict) {
				if r.Instance == nil {
					return r, VerdictRelay
				}
				return Close(r, c, d, o, now)
			}
			return p
		}(),
		"a second backend is not noted": after(func(_, next *Record, _ *Call, _ Outcome) { next.Strays = nil }),
	}
	for name, p := range lossy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catches(t, &explorer{protocol: p, loses: true})
		})
	}
	for name, p := range map[string]protocol{
		"a create is not entered before it is sent": begin(func(_, next *Record, c *Call, _ *Decision) {
			if c.Kind == KindCreate {
				delete(next.Calls, c.Token)
			}
		}),
		"a create does not void deletes": begin(func(_, next *Record, _ *Call, _ *Decision) {
			for token, entry := range next.Calls {
				entry.Voided = false
				next.Calls[token] = entry
			}
		}),
		"a delete is always final": begin(func(_, next *Record, c *Call, d *Decision) {
			if entry, ok := next.Calls[c.Token]; ok && c.Kind == KindDelete {
				entry.Final = true
				next.Calls[c.Token] = entry
				d.final = true
			}
		}),
		"a create's time is forgotten": begin(func(_, next *Record, _ *Call, _ *Decision) {
			for token, entry := range next.Calls {
				if entry.Kind == KindCreate {
					entry.Until = 0
					next.Calls[token] = entry
				}
			}
		}),
		"a create without effect frees the id although others are open": before(func(r *Record) {
			for token, entry := range r.Calls {
				if entry.Kind == KindCreate && entry.Done == 0 {
					delete(r.Calls, token)
				}
			}
		}),
		"what the backend confirmed is forgotten": before(func(r *Record) { r.Seen = false; r.DoubtUntil = 0 }),
		"doubt is not noted":                      after(func(_, next *Record, _ *Call, _ Outcome) { next.DoubtUntil = 0 }),
		"a new claim keeps the deletes of the life before": begin(func(old, next *Record, _ *Call, _ *Decision) {
			if old == nil || old.Live() || !next.Live() {
				return
			}
			for token, entry := range old.Calls {
				if entry.Kind == KindDelete && entry.Done == 0 {
					next.Calls[token] = entry
				}
			}
		}),
		"a lost answer frees the id": func() protocol {
			p := realProtocol
			p.close = func(r Records, c *Call, d *Decision, o Outcome, now Moment) (Records, Verdict) {
				if o.Class == ClassUnknown {
					o.Class = ClassNothing
				}
				return Close(r, c, d, o, now)
			}
			return p
		}(),
		"a create goes to the catalog's backend although there is a record": func() protocol {
			p := realProtocol
			p.begin = func(r Records, c *Call, config Config, now Moment) (Records, Decision) {
				next, d := Begin(r, c, config, now)
				if c.Kind == KindCreate && c.Offer.Backend != "" && d.Refusal == RefusalNone {
					d.Backend = c.Offer.Backend // the catalog's backend, not the record's
				}
				return next, d
			}
			return p
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catches(t, &explorer{protocol: p})
		})
	}
}

// catches expects that the exploration finds a broken rule.
func catches(t *testing.T, e *explorer) {
	t.Helper()
	for _, calls := range rosters(3) {
		e.run(calls)
		if e.violation != "" {
			t.Logf("%s: %s", calls, e.violation)
			return
		}
	}
	t.Fatal("no violation found: the exploration would not notice that this rule is gone")
}
