package chaos_test

import (
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/chaos"
)

var (
	noon     = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	instance = chaos.Key{Instance: "i"}
	binding  = chaos.Key{Instance: "i", Binding: "b"}
)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// held is a life that begins and ends at so many seconds; to 0 means that it goes on.
func held(broker string, key chaos.Key, from, to int) chaos.Life {
	life := chaos.Life{Broker: broker, Key: key, From: at(from)}
	if to != 0 {
		life.To = at(to)
	}
	return life
}

// told is a call that was sent and answered at so many seconds.
func told(kind chaos.Kind, key chaos.Key, from, to, status int, broker string) chaos.Call {
	return chaos.Call{
		Kind: kind, Key: key, Sent: at(from), Ended: at(to), Status: status, Broker: broker, Object: true,
	}
}

func polled(of chaos.Kind, key chaos.Key, from, to, status int, state, broker string) chaos.Call {
	c := told(chaos.PollInstance, key, from, to, status, broker)
	c.Of, c.State = of, state
	return c
}

// lost is a call without an answer.
func lost(kind chaos.Kind, key chaos.Key, from, to int) chaos.Call {
	return chaos.Call{Kind: kind, Key: key, Sent: at(from), Ended: at(to), Failure: chaos.TimedOut}
}

func route(key chaos.Key, status int, broker string) chaos.Call {
	return told(chaos.FetchInstance, key, 100, 101, status, broker)
}

func catalog(status, offerings int) chaos.Call {
	c := told(chaos.Catalog, chaos.Key{}, 1, 2, status, "")
	c.Offerings = offerings
	return c
}

type (
	calls = []chaos.Call
	lives = []chaos.Life
)

// TestJudge gives the verdict on histories that have one violation, or none although they come near one.
func TestJudge(t *testing.T) {
	t.Parallel()
	alive := lives{held("alpha", instance, 1, 0)}
	reached := calls{route(instance, 200, "alpha")}
	both := append(lives{held("alpha", binding, 3, 0)}, alive...)
	tests := []struct {
		name     string
		evidence chaos.Evidence
		want     chaos.Rule
	}{
		{"nothing happened", chaos.Evidence{}, ""},
		{"reached", chaos.Evidence{Lives: alive, Routes: reached}, ""},
		{"reached, still in the making", chaos.Evidence{Lives: alive, Routes: calls{route(instance, 404, "alpha")}}, ""},
		{"the fresh gateway does not know it", chaos.Evidence{
			Lives: alive, Routes: calls{route(instance, 404, "")},
		}, chaos.Unroutable},
		{"the fresh gateway cannot tell", chaos.Evidence{
			Lives: alive, Routes: calls{route(instance, 503, "")},
		}, chaos.Unroutable},
		{"the fresh gateway asks another broker", chaos.Evidence{
			Lives: alive, Routes: calls{route(instance, 404, "beta")},
		}, chaos.Unroutable},
		{"the fresh gateway was not asked", chaos.Evidence{Lives: alive}, chaos.Unroutable},
		{"a binding is not reached", chaos.Evidence{
			Lives: both, Routes: append(calls{route(binding, 404, "")}, reached...),
		}, chaos.Unroutable},
		{"a platform never heard of it", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{lost(chaos.Provision, instance, 0, 6)},
		}, ""},

		{"two owners, one of them in the end", chaos.Evidence{
			Lives: append(lives{held("beta", instance, 5, 9)}, alive...), Routes: reached,
		}, chaos.TwoOwners},
		{"two owners for a while", chaos.Evidence{
			Lives: lives{held("alpha", instance, 1, 5), held("beta", instance, 4, 6)},
		}, chaos.TwoOwners},
		{"one owner after the other", chaos.Evidence{
			Lives: lives{held("alpha", instance, 1, 5), held("beta", instance, 5, 6)},
		}, ""},
		{"the same owner twice", chaos.Evidence{
			Lives: lives{held("alpha", instance, 1, 5), held("alpha", instance, 6, 7)},
		}, ""},

		{"deleted and alive", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{told(chaos.Deprovision, instance, 5, 6, 200, "alpha")},
		}, chaos.LivesOn},
		{"created after it was deleted by a call from before", chaos.Evidence{
			Lives: lives{held("alpha", instance, 8, 0)}, Routes: reached,
			Calls: calls{
				lost(chaos.Provision, instance, 0, 3), told(chaos.Deprovision, instance, 5, 6, 410, ""),
			},
		}, chaos.LivesOn},
		{"the poll of a deletion says gone and it lives", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{polled(chaos.Deprovision, instance, 5, 6, 410, "", "alpha")},
		}, chaos.LivesOn},
		{"the poll of a deletion succeeds and it lives", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{polled(chaos.Deprovision, instance, 5, 6, 200, "succeeded", "alpha")},
		}, chaos.LivesOn},
		{"a binding is unbound and lives", chaos.Evidence{
			Lives: both, Routes: append(calls{route(binding, 200, "alpha")}, reached...),
			Calls: calls{told(chaos.Unbind, binding, 5, 6, 200, "alpha")},
		}, chaos.LivesOn},
		{"deleted and created again", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{
				told(chaos.Deprovision, instance, 0, 1, 410, "alpha"), told(chaos.Provision, instance, 2, 3, 201, "alpha"),
			},
		}, ""},
		{"deleted while it was created", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{
				lost(chaos.Provision, instance, 0, 5), told(chaos.Deprovision, instance, 2, 3, 410, "alpha"),
			},
		}, ""},
		{"refused to be deleted", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{told(chaos.Deprovision, instance, 5, 6, 422, "")},
		}, ""},
		{"the poll of a creation says gone", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{polled(chaos.Provision, instance, 5, 6, 410, "", "alpha")},
		}, ""},

		{"404 while it lives", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{told(chaos.FetchInstance, instance, 5, 6, 404, "")},
		}, chaos.FalseGoodbye},
		{"410 of another broker while it lives", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{polled(chaos.Provision, instance, 5, 6, 410, "", "beta")},
		}, chaos.FalseGoodbye},
		{"404 to a bind of an instance that lives", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{told(chaos.Bind, binding, 5, 6, 404, "")},
		}, chaos.FalseGoodbye},
		{"410 to an unbind of a binding that lives", chaos.Evidence{
			Lives:  lives{held("alpha", binding, 3, 9)},
			Calls:  calls{told(chaos.Unbind, binding, 5, 6, 410, "")},
			Routes: reached,
		}, chaos.FalseGoodbye},
		{"404 of the broker that holds it", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{told(chaos.FetchInstance, instance, 5, 6, 404, "alpha")},
		}, ""},
		{"404 before it was there", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{told(chaos.FetchInstance, instance, 0, 6, 404, "")},
		}, ""},
		{"410 while it was being deleted", chaos.Evidence{
			Lives: lives{held("alpha", instance, 1, 5)}, Calls: calls{told(chaos.Deprovision, instance, 4, 6, 410, "")},
		}, ""},
		{"503 while it lives", chaos.Evidence{
			Lives: alive, Routes: reached, Calls: calls{told(chaos.FetchInstance, instance, 5, 6, 503, "")},
		}, ""},

		{"an empty catalog", chaos.Evidence{Offerings: 4, Calls: calls{catalog(200, 0)}}, chaos.CatalogShrank},
		{"a catalog without one broker", chaos.Evidence{Offerings: 4, Calls: calls{catalog(200, 3)}}, chaos.CatalogShrank},
		{"no catalog now", chaos.Evidence{Offerings: 4, Calls: calls{catalog(503, 0)}}, ""},
		{"a whole catalog", chaos.Evidence{Offerings: 4, Calls: calls{catalog(200, 4)}}, ""},

		{"a platform that tries for ever", chaos.Evidence{Stuck: []chaos.Key{instance}}, chaos.NeverTold},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			found := chaos.Judge(test.evidence)
			switch {
			case test.want == "" && len(found) > 0:
				t.Errorf("got %v, want no violation", found)
			case test.want != "" && (len(found) != 1 || found[0].Rule != test.want):
				t.Errorf("got %v, want one violation: %s", found, test.want)
			}
		})
	}
}

// TestStory has the report hold everything that concerns an instance, in order, and nothing else.
func TestStory(t *testing.T) {
	t.Parallel()
	other := chaos.Key{Instance: "somebody-else"}
	story := (&chaos.Story{
		Began: noon, Instance: "an-instance-of-ours",
		Calls: calls{
			told(chaos.Deprovision, chaos.Key{Instance: "an-instance-of-ours"}, 5, 8, 410, ""),
			told(chaos.Provision, other, 5, 6, 201, "beta"),
		},
		Lives: lives{
			held("alpha", chaos.Key{Instance: "an-instance-of-ours"}, 1, 7), held("beta", other, 1, 7),
		},
		Steps: []chaos.Done{
			{Step: chaos.Step{Action: chaos.KillStore}, From: at(6), To: at(20)},
			{Step: chaos.Step{Action: chaos.KillGateway}, From: at(50), To: at(60)},
		},
		Logs:    map[string]string{"gateway 1": "of an-instance-of-ours\nof another\n"},
		Records: map[string]string{"osb:an-instance-of-ours": "state", "osb:somebody-else": "other"},
	}).String()
	at := 0
	for _, want := range []string{
		"1.000s      alpha holds", "5.000s call 0: deprovision", "6.000s      chaos: kill redis", "7.000s      alpha does not hold",
		"8.000s answer to 0: 410 of the gateway", "20.000s", "log of gateway 1: of <id>", "record osb:<id>: state",
	} {
		next := strings.Index(story[at:], want)
		if next < 0 {
			t.Fatalf("got the story\n%swithout %q in its place", story, want)
		}
		at += next
	}
	for _, strange := range []string{"somebody-else", "kill gateway", "another"} {
		if strings.Contains(story, strange) {
			t.Errorf("got the story\n%swith %q, which is none of its business", story, strange)
		}
	}
}
