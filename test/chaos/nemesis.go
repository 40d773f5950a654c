package chaos

import (
	"context"
	"sync"
	"testing"
	"time"
)

func timeLimit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

// Done is a step that was done.
type Done struct {
	Step

	From, To time.Time
}

// nemesis carries the schedule out.
type nemesis struct {
	t        testing.TB
	gateways []*gateway
	brokers  []*broker
	store    store

	mu sync.Mutex
	// busy are the targets that something is being done to.
	busy map[string]bool
	done []Done
	// skipped counts the steps whose target was busy.
	skipped int
}

// run does all steps at their times, and returns when the last is over and everything is as before.
func (n *nemesis) run(steps []Step) {
	began := time.Now()
	var running sync.WaitGroup
	for _, step := range steps {
		<-time.After(time.Until(began.Add(step.At)))
		target := n.target(step)
		if !n.take(target) {
			continue
		}
		running.Go(func() {
			from := time.Now()
			n.carryOut(step)
			n.free(target, Done{Step: step, From: from, To: time.Now()})
		})
	}
	running.Wait()
}

// target names what a step needs for itself.
func (n *nemesis) target(step Step) string {
	switch step.Action {
	case KillGateway, Reload, BadReload:
		return "gateway " + string(rune('0'+step.Target))
	case KillStore, DropSubscriptions:
		return string(step.Action)
	default:
		return string(step.Action) + string(rune('0'+step.Target))
	}
}

func (n *nemesis) take(target string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy == nil {
		n.busy = make(map[string]bool)
	}
	if n.busy[target] {
		n.skipped++
		return false
	}
	n.busy[target] = true
	return true
}

func (n *nemesis) free(target string, step Done) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.busy[target] = false
	n.done = append(n.done, step)
}

func (n *nemesis) carryOut(step Step) {
	switch step.Action {
	case KillGateway:
		n.gateways[step.Target].Kill(n.t)
		<-time.After(step.Length)
		n.gateways[step.Target].Relaunch(n.t)
		// A gateway that is killed before it is ready is one more fault, but a reload needs one that runs.
		n.gateways[step.Target].AwaitReady(n.t)
	case Reload, BadReload:
		n.reload(step)
	case KillStore:
		n.store.kill(n.t, step)
	case DropSubscriptions:
		n.store.dropSubscriptions()
	case CutStore:
		for _, link := range n.store.links(step.Target, step.Part) {
			link.Cut()
		}
	case DisturbStore:
		n.disturb(step, n.store.links(step.Target, step.Part)...)
	case CutBroker:
		n.brokers[step.Target].link.Cut()
	case DisturbBroker:
		n.disturb(step, n.brokers[step.Target].link)
	case CutGateway:
		n.gateways[step.Target].link.Cut()
	case DisturbGateway:
		n.disturb(step, n.gateways[step.Target].link)
	case Misbehave:
		n.misbehave(step)
	}
}

func (n *nemesis) disturb(step Step, links ...*Link) {
	for _, link := range links {
		n.set(link, Trouble(step.Detail))
	}
	<-time.After(step.Length)
	for _, link := range links {
		n.set(link, Clear)
	}
}

func (n *nemesis) set(link *Link, trouble Trouble) {
	if err := link.Set(trouble); err != nil {
		n.t.Errorf("the link %s cannot be changed to %s: %v", link.Address(), trouble, err)
	}
}

func (n *nemesis) misbehave(step Step) {
	broker := n.brokers[step.Target]
	if err := broker.SetFaults(faultKinds[step.Detail]); err != nil {
		n.t.Errorf("%s: %v", step, err)
	}
	<-time.After(step.Length)
	if err := broker.SetFaults(nil); err != nil {
		n.t.Errorf("%s: %v", step, err)
	}
}

func (n *nemesis) reload(step Step) {
	g := n.gateways[step.Target]
	options := g.options
	if step.Action == BadReload {
		options.Block += "backend broken {env.CHAOS_HAS_NO_SUCH_VARIABLE}\n"
		if g.Reload(n.t, options) == nil {
			n.t.Errorf("%s: the configuration was accepted", g.name)
		}
		return
	}
	refresh := 2*time.Second + step.Length
	options.Block = block(n.store.block(step.Target), n.brokers, refresh)
	if err := g.Reload(n.t, options); err != nil {
		n.t.Errorf("%s: the configuration was refused: %v", g.name, err)
	}
}
