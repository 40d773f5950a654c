package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestSecretsInRedisGateway runs a whole life on a Redis with a password and looks for secrets in all that came of it.
func TestSecretsInRedisGateway(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Password(redisPassword.value))
	store := "store redis {\n\taddress " + redis.Addr +
		"\n\tpassword {env.REDIS_PASSWORD}\n\tkey_prefix secrets\n\ttimeout 5s\n}"
	w := startSecretWorld(t, store, otlptest.GRPC, "REDIS_PASSWORD="+redisPassword.value)
	w.live(t)
	w.search(t, func() []byte { return dumpRedis(t, redis) })
}

// TestSecretsInFileGateway does the same with the embedded store.
func TestSecretsInFileGateway(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "owners.db")
	w := startSecretWorld(t, "store file "+file, otlptest.HTTP)
	w.live(t)
	w.search(t, func() []byte {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return content
	})
}

// TestWrongRedisPassword: a store that refuses the gateway is told of without what was tried.
func TestWrongRedisPassword(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Password("another password"))
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	given := url.URL{Scheme: "redis", User: url.UserPassword("default", redisPassword.value), Host: redis.Addr}
	for name, store := range map[string]string{
		"url":      "store redis {\n\turl {env.REDIS_URL}\n\ttimeout 5s\n}\n",
		"password": "store redis {\n\taddress " + redis.Addr + "\n\tpassword {env.REDIS_PASSWORD}\n\ttimeout 5s\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := harness.Launch(t, harness.Options{
				Block: block(store, broker.Backend("pg", "")), Global: "debug\nlog {\n\tlevel DEBUG\n}\n",
				Environment: append(receiver.Env(otlptest.HTTP),
					"REDIS_PASSWORD="+redisPassword.value, "REDIS_URL="+given.String()),
			})
			harness.Await(t, "the gateway to find out", func() bool {
				return strings.Contains(gateway.Output(), "the ownership store does not answer")
			})
			gateway.AwaitLive(t)
			c := provision("one", "db", "sync")
			c.status = http.StatusServiceUnavailable
			response := c.do(t, gateway)
			config := page(t, gateway.Admin+"/config/")
			gateway.Stop(t)
			report(t, []secret{redisPassword, {name: "the URL of Redis", value: given.String()}}, map[string][]byte{
				"output": []byte(gateway.Output()), "answer": []byte(response.Body), "spans": receiver.Raw(),
				"config": []byte(config),
			})
		})
	}
}

// TestMistakesAreReportedWithoutSecrets reloads configurations that are wrong where the secrets are.
func TestMistakesAreReportedWithoutSecrets(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, "db")
	good := block("store memory", broker.Backend("pg", ""))
	value := secret{name: "the secret", value: "mistaken-password-marked+1", user: "u"}
	gateway := harness.Start(t, harness.Options{
		Block: good, Global: "debug",
		Environment: []string{
			"BROKER_URL=http://u:" + value.value + "@127.0.0.1:1", "MALFORMED_URL=http://u:" + value.value + "@[::1",
			"QUERY_URL=http://127.0.0.1:1/?key=" + value.value, "REDIS_URL=redis://u:" + value.value + "@127.0.0.1:port",
			"REDIS_QUERY=redis://u:" + value.value + "@127.0.0.1:1?db=" + value.value, "CONTROL=" + value.value + "\x01",
			"PLAIN=" + value.value,
		},
	})
	platform := harness.Platform("cf", "")
	for name, mistaken := range map[string]string{
		"a URL with user info": "store memory\n" + platform + "backend pg {env.BROKER_URL}",
		"a malformed URL":      "store memory\n" + platform + "backend pg {env.MALFORMED_URL}",
		"a URL with a query":   "store memory\n" + platform + "backend pg {env.QUERY_URL}",
		"a malformed Redis":    "store redis {\n\turl {env.REDIS_URL}\n}\n" + platform + broker.Backend("pg", ""),
		"a Redis with a query": "store redis {\n\turl {env.REDIS_QUERY}\n}\n" + platform + broker.Backend("pg", ""),
		"a control character": "store memory\n" + platform + "backend pg " + broker.URL +
			" {\n\tbasic_auth gateway {env.CONTROL}\n}",
		"a password for a hash": "store memory\nplatform cf {\n\tbasic_auth u {env.PLAIN}\n}\n" + broker.Backend("pg", ""),
		"a header with a control character": "store memory\n" + platform + "backend pg " + broker.URL +
			" {\n\theader X-Api-Key {env.CONTROL}\n}",
	} {
		err := gateway.Reload(t, harness.Options{Block: mistaken, Global: "debug"})
		if err == nil {
			t.Errorf("%s: the configuration was taken", name)
			continue
		}
		report(t, []secret{value}, map[string][]byte{name: []byte(err.Error())})
	}
	report(t, []secret{value}, map[string][]byte{
		"output": []byte(gateway.Output()), "config": []byte(page(t, gateway.Admin+"/config/")),
	})
}

// search looks for every secret in everything, and shows that it would find them.
func (w *secretWorld) search(t *testing.T, store func() []byte) {
	t.Helper()
	autosaved := filepath.Join(w.Directory, "config", "caddy", "autosave.json")
	saved, err := os.ReadFile(autosaved)
	if err != nil {
		t.Fatal(err)
	}
	places := map[string][]byte{
		"metrics":              []byte(page(t, w.Admin+"/metrics")),
		"metrics of the site":  []byte(page(t, w.URL+"/metrics")),
		"config":               []byte(page(t, w.Admin+"/config/")),
		"autosaved config":     saved,
		"answers to platforms": []byte(w.answers.String()),
	}
	w.Stop(t)
	places["output"] = []byte(w.Output())
	places["texts in the output"] = textsIn(w.Output())
	secrets := append(knownSecrets(), w.found...)
	report(t, secrets, places)
	// The collector gets its own key in a header.
	report(t, without(secrets, collectorKey), map[string][]byte{"spans": w.receiver.Raw()})
	// The catalog is kept as it was published, with the secrets of dashboards.
	report(t, without(secrets, dashboard), map[string][]byte{"store": store()})

	// The places are what they are thought to be.
	for place, text := range map[string]string{
		"metrics": "caddy_osb_gateway_requests_total", "config": "{env.BROKER_PASSWORD}",
		"autosaved config":     "{env.PLATFORM_HASH}",
		"answers to platforms": "BackendFailed", "output": "http.log.access", "texts in the output": "is left out",
	} {
		if !strings.Contains(string(places[place]), text) {
			t.Errorf("%s: %q is not there", place, text)
		}
	}
	spans := string(w.receiver.Raw())
	if !strings.Contains(spans, collectorKey.value) || !strings.Contains(spans, "osb.provision") {
		t.Error("the spans did not come, or not with the collector's key")
	}
	if !strings.Contains(string(store()), "living") {
		t.Error("the store has no instance")
	}
}

// textsIn are the texts of a log in JSON as they were before they became JSON.
func textsIn(log string) []byte {
	var texts bytes.Buffer
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case string:
			texts.WriteString(value + "\n")
		case []any:
			for _, element := range value {
				walk(element)
			}
		case map[string]any:
			for _, member := range value {
				walk(member)
			}
		}
	}
	for line := range strings.Lines(log) {
		var fields any
		if json.Unmarshal([]byte(line), &fields) == nil {
			walk(fields)
		}
	}
	return texts.Bytes()
}

func without(secrets []secret, allowed secret) []secret {
	var rest []secret
	for _, s := range secrets {
		if s.name != allowed.name {
			rest = append(rest, s)
		}
	}
	return rest
}

// report fails for each secret that is found.
func report(t *testing.T, secrets []secret, places map[string][]byte) {
	t.Helper()
	byName := make(map[string]secret, len(secrets))
	for _, s := range secrets {
		byName[s.name] = s
	}
	for _, found := range findLeaks(secrets, places) {
		t.Errorf("%s is in the %s, as %s: ...%s...",
			found.secret, found.place, found.form, around(byName[found.secret], found.form, places[found.place]))
	}
}

// dumpRedis returns all keys and values.
func dumpRedis(t *testing.T, server *redistest.Server) []byte {
	t.Helper()
	ctx, client := context.Background(), server.Client()
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	dump := make(map[string]any, len(keys))
	for _, key := range keys {
		kind, err := client.Type(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case "string":
			dump[key], err = client.Get(ctx, key).Result()
		case "hash":
			dump[key], err = client.HGetAll(ctx, key).Result()
		case "set":
			dump[key], err = client.SMembers(ctx, key).Result()
		case "zset":
			dump[key], err = client.ZRangeWithScores(ctx, key, 0, -1).Result()
		case "list":
			dump[key], err = client.LRange(ctx, key, 0, -1).Result()
		default:
			t.Fatalf("%s is a %s, which this test cannot read", key, kind)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// Values are written one by one, as they are: JSON within JSON would be escaped twice.
	var text strings.Builder
	for key, value := range dump {
		fmt.Fprintf(&text, "%s = %v\n", key, value)
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(encoded)
	}
	return []byte(text.String())
}
