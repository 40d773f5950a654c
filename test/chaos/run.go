package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const (
	gatewayCount = 3
	// userCount is how many users there are, on both platforms together.
	userCount = 28
	// patience is how long platforms may take to come to an end when everything is healed. It is no measurement.
	patience = 3 * time.Minute
)

// Settings are what distinguishes runs.
type Settings struct {
	Seed uint64
	// Length is how long things go wrong.
	Length time.Duration
	// Single has one Redis server in place of a master, a replica and sentinels.
	Single bool
}

func (s Settings) String() string {
	redis := "sentinel"
	if s.Single {
		redis = "single"
	}
	return fmt.Sprintf("CHAOS_SEED=%d CHAOS_DURATION=%s CHAOS_REDIS=%s", s.Seed, s.Length, redis)
}

// Run is one run and what came of it.
type Run struct {
	Settings

	Began    time.Time
	Evidence Evidence
	Steps    []Done
	Skipped  int
	Logs     map[string]string
	Records  map[string]string
}

// Execute runs gateways, brokers, platforms and the nemesis, heals everything, and collects the evidence.
func Execute(t testing.TB, settings Settings) *Run {
	t.Helper()
	run := &Run{Settings: settings}
	var truth Truth
	var history History
	var brokers []*broker
	for _, name := range brokerNames {
		brokers = append(brokers, startBroker(t, name, &truth))
	}
	redis := startStore(t, settings.Single)
	var gateways []*gateway
	for n := range gatewayCount {
		gateways = append(gateways, startGateway(t, fmt.Sprintf("gateway %d", n), redis.block(n), brokers))
	}

	run.Began = time.Now()
	entrance := NewEntrance(gateways, &history)
	defer entrance.Close()
	stopping, over := make(chan struct{}), make(chan struct{})
	users, contests := make([]*user, userCount), make(chan string, 2)
	var living sync.WaitGroup
	for n := range users {
		users[n] = newUser(settings.Seed, n, entrance, contests, stopping, over)
		living.Go(users[n].live)
	}
	evil := &nemesis{t: t, gateways: gateways, brokers: brokers, store: redis}
	evil.run(Schedule(settings.Seed, settings.Length))
	for _, g := range gateways {
		g.AwaitReady(t)
	}
	close(stopping)
	giveUp := time.AfterFunc(patience, func() { close(over) })
	living.Wait()
	giveUp.Stop()

	run.Evidence = Evidence{Calls: history.Calls(), Offerings: len(brokerNames)}
	for _, u := range users {
		run.Evidence.Stuck = append(run.Evidence.Stuck, u.stuck...)
	}
	fresh := harness.Start(t, harness.Options{Block: block(redis.block(-1), brokers, time.Hour), Quiet: true})
	run.Evidence.Lives = truth.Lives()
	run.Evidence.Routes = askFor(t, fresh, run.Evidence)
	run.Steps, run.Skipped = evil.done, evil.skipped
	run.Records = redis.records(t)
	run.Logs = map[string]string{"fresh gateway": fresh.Output()}
	for _, g := range gateways {
		run.Logs[g.name] = g.Output()
	}
	return run
}

func newUser(seed uint64, n int, e *Entrance, contests chan string, stopping, over <-chan struct{}) *user {
	u := &user{
		name: fmt.Sprintf("user %d of %s", n, cloudFoundry), platform: cloudFoundry, Reactions: CloudFoundry{},
		rng:      rand.New(rand.NewPCG(seed, uint64(n)+1)),
		entrance: e, contests: contests, stopping: stopping, over: over,
	}
	if n%3 == 2 {
		u.name, u.platform, u.Reactions = fmt.Sprintf("user %d of %s", n, korifi), korifi, Korifi{}
	}
	return u
}

// askFor sends a GET without a query through a gateway that knows nothing yet, for everything that is held.
func askFor(t testing.TB, fresh *harness.Gateway, e Evidence) []Call {
	t.Helper()
	platforms := make(map[string]string)
	for _, call := range e.Calls {
		if call.Kind == Provision && platforms[call.Key.Instance] == "" {
			platforms[call.Key.Instance] = call.Platform
		}
	}
	var routes []Call
	for _, life := range e.Lives {
		if !life.To.IsZero() {
			continue
		}
		c := Call{
			User: "the verdict", Platform: platforms[life.Key.Instance], Gateway: "fresh gateway", Kind: FetchInstance,
			Key: life.Key, Method: http.MethodGet, Target: instancePath(life.Key.Instance), Sent: time.Now(),
		}
		if life.Key.Binding != "" {
			c.Kind, c.Target = FetchBinding, bindingPath(life.Key)
		}
		answer, err := fresh.Try(harness.Request{
			Method: c.Method, Target: c.Target, User: c.Platform, Password: harness.Password,
		})
		c.read(&reply{answer.Status, answer.Header, []byte(answer.Body)}, err)
		c.Ended = time.Now()
		routes = append(routes, c)
	}
	return routes
}

// Figures counts what happened.
func (r *Run) Figures() string {
	counts := make(map[string]map[string]int)
	count := func(group, name string) {
		if counts[group] == nil {
			counts[group] = make(map[string]int)
		}
		counts[group][name]++
	}
	instances := make(map[string]bool)
	for n := range r.Evidence.Calls {
		c := &r.Evidence.Calls[n]
		instances[c.Key.Instance] = true
		count("calls", string(c.Kind))
		if c.Failure != Answered {
			count("answers", string(c.Failure))
		} else {
			count("answers", fmt.Sprint(c.Status))
		}
	}
	for _, step := range r.Steps {
		count("chaos", string(step.Action))
	}
	for _, life := range r.Evidence.Lives {
		what := "instances"
		if life.Key.Binding != "" {
			what = "bindings"
		}
		count("lives", what+" that began")
		if life.To.IsZero() {
			count("lives", what+" held in the end")
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %d calls about %d instances, %d steps (%d skipped)\n",
		r.Settings, len(r.Evidence.Calls), len(instances), len(r.Steps), r.Skipped)
	for _, group := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&text, "%s:", group)
		for _, name := range slices.Sorted(maps.Keys(counts[group])) {
			fmt.Fprintf(&text, " %s %d,", name, counts[group][name])
		}
		text.WriteString("\n")
	}
	return text.String()
}

// Story returns what is to be told of an instance.
func (r *Run) Story(instance string) *Story {
	return &Story{
		Began: r.Began, Instance: instance, Calls: append(slices.Clone(r.Evidence.Calls), r.Evidence.Routes...),
		Lives: r.Evidence.Lives, Steps: r.Steps, Logs: r.Logs, Records: r.Records,
	}
}
