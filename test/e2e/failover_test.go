package e2e_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	servers := redistest.StartSentinel(t)
	w := failoverWorld(t, fmt.Sprintf("store redis {\n\taddress %s\n\tsentinel_master %s\n\tkey_prefix %s\n}",
		strings.Join(servers.Addresses(), " "), redistest.MasterName, rand.Text()))
	traffic := w.startTraffic(t)
	for range 2 {
		traffic.awaitLives(t, 20)
		master := servers.Master(t)
		master.Kill(t)
		traffic.awaitRefusal(t)
		servers.AwaitFailover(t, master)
		// Without a replica nothing is sent to a broker that could be lost with the master.
		traffic.awaitRefusal(t)
		master.Restart(t)
		servers.AwaitReplica(t)
	}
	traffic.awaitLives(t, 20)
	traffic.end(t)
}

func TestClusterFailover(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t)
	w := failoverWorld(t, fmt.Sprintf("store redis {\n\taddress %s\n\tcluster\n\tkey_prefix %s\n}",
		strings.Join(servers.Addresses()[:2], " "), rand.Text()))
	traffic := w.startTraffic(t)
	for _, master := range servers.Members[:2] {
		traffic.awaitLives(t, 20)
		master.Kill(t)
		traffic.awaitRefusal(t)
		servers.AwaitWorking(t)
		master.Restart(t)
		servers.AwaitReplicas(t)
	}
	traffic.awaitLives(t, 20)
	traffic.end(t)
}

// failoverWorld is a world in which the doubt about a create is over soon, where its outcome was lost with a master.
func failoverWorld(t *testing.T, store string) *world {
	t.Helper()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{
		Block: store + "\n" + harness.Platform("cf", "") + w.backends("timeout 5s\nsettle 1s"),
	})
	return w
}

// traffic is platforms that create instances, bind them, look at them and delete them, and come again whenever they are
// told to.
type traffic struct {
	world *world
	stop  chan struct{}
	all   sync.WaitGroup
	once  sync.Once
	// lives counts instances that were created and deleted, refusals the answers that say to come again.
	lives, refusals atomic.Int64
	wrong           chan string
}

func (w *world) startTraffic(t *testing.T) *traffic {
	t.Helper()
	traffic := &traffic{world: w, stop: make(chan struct{}), wrong: make(chan string, 100)}
	for n := range 4 {
		broker := brokerNames[n%len(brokerNames)]
		traffic.all.Go(func() {
			for traffic.goesOn() {
				traffic.live(broker)
			}
		})
	}
	t.Cleanup(traffic.halt)
	return traffic
}

func (c *traffic) goesOn() bool {
	select {
	case <-c.stop:
		return false
	default:
		return true
	}
}

func (c *traffic) halt() {
	c.once.Do(func() { close(c.stop) })
	c.all.Wait()
}

// live is the life of one instance.
func (c *traffic) live(broker string) {
	id, binding := newGUID(), newGUID()
	if !c.send(put(instancePath(id), create(broker, small)), http.StatusCreated, http.StatusOK) ||
		!c.send(get(instancePath(id)), http.StatusOK) ||
		!c.send(put(bindingPath(id, binding), bind(broker, small)), http.StatusCreated, http.StatusOK) ||
		!c.send(get(bindingPath(id, binding)), http.StatusOK) ||
		!c.send(patch(instancePath(id), change(broker, small, large)), http.StatusOK) ||
		!c.send(del(bindingPath(id, binding)+ids(broker, small)), http.StatusOK, http.StatusGone) ||
		!c.send(get(instancePath(id)), http.StatusOK) ||
		!c.send(del(instancePath(id)+ids(broker, large)), http.StatusOK, http.StatusGone) {
		return
	}
	c.lives.Add(1)
}

// send sends a call until it gets an answer that does not say to come again. It returns false when that is not one of
// those that are right. A DELETE may have to come again too: as long as it is not known whether a create still runs.
func (c *traffic) send(r harness.Request, right ...int) bool {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for first := true; ; first = false {
		answer, err := c.world.Try(r)
		switch {
		case err == nil && first && answer.Status == http.StatusGone:
			c.report("%s %s: got %d at once, though it lives", r.Method, r.Target, answer.Status)
			return false
		case err != nil:
			c.report("%s %s: %v", r.Method, r.Target, err)
			return false
		case slices.Contains(right, answer.Status):
			return true
		case answer.Status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "" &&
			strings.Contains(answer.Body, `"OwnershipUnavailable"`):
			c.refusals.Add(1)
		case answer.Status == http.StatusUnprocessableEntity && r.Method == http.MethodDelete &&
			strings.Contains(answer.Body, `"ConcurrencyError"`):
		default:
			c.report("%s %s: got %d %s", r.Method, r.Target, answer.Status, answer.Body)
			return false
		}
		if !c.goesOn() {
			return false
		}
		<-again.C
	}
}

func (c *traffic) report(format string, values ...any) {
	select {
	case c.wrong <- fmt.Sprintf(format, values...):
	default:
	}
}

func (c *traffic) awaitLives(t *testing.T, more int64) {
	t.Helper()
	from := c.lives.Load()
	harness.Await(t, "instances to be created and deleted", func() bool { return c.lives.Load() >= from+more })
}

func (c *traffic) awaitRefusal(t *testing.T) {
	t.Helper()
	from := c.refusals.Load()
	harness.Await(t, "a call to be refused", func() bool { return c.refusals.Load() > from })
}

// end stops the traffic and fails the test for each answer that was wrong.
func (c *traffic) end(t *testing.T) {
	t.Helper()
	c.halt()
	close(c.wrong)
	for wrong := range c.wrong {
		t.Error(wrong)
	}
	t.Logf("%d instances lived, %d calls were refused", c.lives.Load(), c.refusals.Load())
}
