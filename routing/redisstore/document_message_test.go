package redisstore_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// FuzzParseDocumentMessage: what is read is what is written, and nothing else is read.
func FuzzParseDocumentMessage(f *testing.F) {
	for _, message := range []string{
		"", "document:", "document::1", "document:a:1", "document:a%2Fb:18446744073709551615", "document:a/b:1",
		"document:a:0", "document:a:01", "instance:a", "document:%41:1", "document:a:1 instance:b",
	} {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message string) {
		name, version, err := redisstore.ParseDocumentMessage(message)
		if err != nil {
			return
		}
		if again := redisstore.DocumentMessage(name, version); again != message || version == 0 {
			t.Errorf("%q is read as version %d of %q, which is written as %q", message, version, name, again)
		}
	})
}

// TestDocumentsOfOthers has one store write, and another hear of it: on a server, and in a cluster, whichever members
// the two are at.
func TestDocumentsOfOthers(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]func(t *testing.T) redisstore.Config{
		"server": func(t *testing.T) redisstore.Config {
			return redisstore.Config{Addresses: []string{redistest.Start(t).Addr}, Timeout: patience}
		},
		"cluster": func(t *testing.T) redisstore.Config { return onCluster(redistest.SharedCluster(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared := config(t)
			writer, reader := open(t, shared), open(t, shared)
			events := storetest.Watch(t, reader)
			awaitReady(t, events, 1)
			for version := range uint64(3) {
				if _, swapped, err := writer.SwapDocument(t.Context(), "catalog/ä", version, []byte("x")); err != nil || !swapped {
					t.Fatalf("writing: %t, %v", swapped, err)
				}
				eventually(t, "the version to be told of", func() bool {
					told := events.Documents("catalog/ä")
					return len(told) > 0 && told[len(told)-1] == version+1
				})
			}
		})
	}
}

// TestDocumentThatCannotBePublished: a version that nobody would hear of is not written.
func TestDocumentThatCannotBePublished(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Setting("user app on >"+secret+" ~* +@all &* -publish"))
	store := open(t, redisstore.Config{
		Addresses: []string{server.Addr}, Username: "app", Password: secret, Timeout: patience,
	})
	document, swapped, err := store.SwapDocument(t.Context(), "d", 0, []byte("x"))
	wantError(t, err, "the user of the store lacks a permission")
	if found := server.Client().DBSize(t.Context()).Val(); swapped || found != 0 || document.Version != 0 {
		t.Errorf("got %t, version %d, and %d keys, want nothing to be written", swapped, document.Version, found)
	}
}
