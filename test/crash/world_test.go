package crash_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// The backends' timeout and settle bound how long after its beginning a create counts as being on its way. That is long
// enough for a busy machine to answer in, and short enough to be waited for.
const (
	brokerTimeout = 15 * time.Second
	brokerSettle  = time.Second
)

const requestIdentity = "X-Broker-Api-Request-Identity"

// world is two brokers, a gateway that is going to die, and with Redis another one that is not.
type world struct {
	brokers          map[string]*harness.Broker
	gateway, replica *harness.Gateway
	// armed is the file that has the gateway die from then on.
	armed string
}

// newWorld starts everything. The gateway dies when so many calls are at the point.
func newWorld(t *testing.T, store, point string, calls int) *world {
	t.Helper()
	w := &world{brokers: make(map[string]*harness.Broker), armed: filepath.Join(t.TempDir(), "armed")}
	for _, name := range []string{alpha, beta} {
		w.brokers[name] = harness.StartBroker(t, brokerOptions(name))
	}
	redis := store == "redis"
	if redis {
		store = fmt.Sprintf("store redis {\n\taddress %s\n\tkey_prefix %s\n\ttimeout 10s\n}",
			redistest.Shared(t).Addr, newID())
	} else {
		store = "store file"
	}
	window := fmt.Sprintf("timeout %s\nsettle %s", brokerTimeout, brokerSettle)
	options := harness.Options{
		Tags: "osb_crashpoints",
		Block: store + "\n" + harness.Platform("cf", "") +
			w.brokers[alpha].Backend(alpha, window) + w.brokers[beta].Backend(beta, window),
	}
	if redis {
		w.replica = harness.Start(t, options)
	}
	options.Environment = []string{"OSB_CRASH_AT=" + point + "#" + strconv.Itoa(calls), "OSB_CRASH_ARMED=" + w.armed}
	w.gateway = harness.Start(t, options)
	return w
}

func brokerOptions(name string) samplebroker.Options {
	return samplebroker.Options{Catalog: catalog(name)}
}

// arm has the gateway die at its point from now on.
func (w *world) arm(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(w.armed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// outcome is a status, and the broker that the call arrived at; "-" for none.
type outcome struct {
	status int
	broker string
}

func (o outcome) String() string { return fmt.Sprintf("%d-%s", o.status, o.broker) }

// ask sends a call and sees where it arrives. Nobody else may send calls meanwhile.
func (w *world) ask(t *testing.T, g *harness.Gateway, r harness.Request) (harness.Response, outcome) {
	t.Helper()
	for _, broker := range w.brokers {
		broker.ForgetRequests()
	}
	identity := newID()
	r.Header = http.Header{requestIdentity: {identity}}
	answer := g.Do(t, r)
	at := outcome{answer.Status, "-"}
	for name, broker := range w.brokers {
		if slices.ContainsFunc(broker.Requests(), func(arrived samplebroker.RecordedRequest) bool {
			return arrived.Header.Get(requestIdentity) == identity
		}) {
			if at.broker != "-" {
				t.Errorf("%s %s arrived at both brokers", r.Method, r.Target)
			}
			at.broker = name
		}
	}
	return answer, at
}

// prepare makes calls until what they began is over.
func (w *world) prepare(t *testing.T, s subject, calls []harness.Request) {
	t.Helper()
	for _, r := range calls {
		poll := s.poll()
		if r.Target != s.put(alpha).Target {
			poll = s.of().poll()
		}
		answer := w.gateway.Do(t, r)
		for answer.Status == http.StatusAccepted {
			w.gateway.Do(t, poll) // each poll takes the operation a step further
			answer = w.gateway.Do(t, r)
		}
		if answer.Status != http.StatusCreated && answer.Status != http.StatusOK {
			t.Fatalf("%s %s: got %d %s, want it created", r.Method, r.Target, answer.Status, answer.Body)
		}
	}
}

// sendAll sends calls at the same time. The channel is closed when none is under way any more.
func (w *world) sendAll(t *testing.T, calls []harness.Request) <-chan struct{} {
	t.Helper()
	ended := make(chan struct{})
	var all sync.WaitGroup
	for _, r := range calls {
		all.Go(func() {
			if answer, err := w.gateway.Try(r); err == nil {
				t.Errorf("%s %s: got %d %s from a gateway that was to die", r.Method, r.Target, answer.Status, answer.Body)
			}
		})
	}
	go func() {
		all.Wait()
		close(ended)
	}()
	return ended
}

// holds tells whether the broker has the instance, or the binding if it is about one.
func (w *world) holds(broker string, s subject) bool {
	for _, instance := range w.brokers[broker].State().Instances {
		if instance.InstanceID == s.instance {
			return s.binding == "" || slices.ContainsFunc(instance.Bindings, func(b samplebroker.BindingState) bool {
				return b.BindingID == s.binding
			})
		}
	}
	return false
}

// awaitSlowly is harness.Await for what takes seconds: it asks less often.
func awaitSlowly(t *testing.T, what string, so func() bool) {
	t.Helper()
	turns := time.NewTicker(250 * time.Millisecond)
	defer turns.Stop()
	harness.Await(t, what, func() bool {
		<-turns.C
		return so()
	})
}
