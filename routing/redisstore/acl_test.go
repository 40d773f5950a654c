package redisstore_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// The permissions that the package documentation lists are enough.
func TestDocumentedPermissions(t *testing.T) {
	t.Parallel()
	const commands = " +eval +evalsha +time +get +mget +set +del +zadd +zcard +zrem +zrangebyscore +zrangebylex" +
		" +hget +hmget +hset +publish +subscribe"
	for name, more := range map[string]string{"with ROLE": " +role", "without ROLE": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.Setting("user app on >"+secret+" ~osb:g:* &osb:g:*"+commands+more))
			store := open(t, redisstore.Config{
				Addresses: []string{server.Addr}, Username: "app", Password: secret, Gateway: "g", Timeout: patience,
			})
			key := routing.Key{Instance: "i", Binding: "b"}
			held := swap(t, store, routing.Change{
				Key: key, Instance: &routing.Write{Data: []byte("i"), Unfinished: true}, Binding: write("b"),
			})
			swap(t, store, routing.Change{Key: key, Old: held, Instance: write("i2"), Binding: &routing.Write{}})
			wantInstance(t, store, "i", "i2")
			if _, swapped, err := store.SwapDocument(t.Context(), "d", 0, []byte("x")); err != nil || !swapped {
				t.Errorf("SwapDocument: %t, %v", swapped, err)
			}
			if document, err := store.ReadDocument(t.Context(), "d"); err != nil || document.Version != 1 {
				t.Errorf("ReadDocument: version %d, %v", document.Version, err)
			}
			for _, replace := range []bool{false, true} {
				if err := store.Mark(t.Context(), "identity", replace); err != nil {
					t.Errorf("Mark: %v", err)
				}
			}
			if unmarked, parts, err := store.Unmarked(t.Context(), "identity"); unmarked != 0 || parts != 256 || err != nil {
				t.Errorf("Unmarked: %d of %d, %v", unmarked, parts, err)
			}
			if listed := list(t, store, 10); len(listed) != 1 {
				t.Errorf("List: %q", listed)
			}
			if keys, err := store.Unfinished(t.Context(), 0, 10); len(keys) != 0 || err != nil {
				t.Errorf("Unfinished: %q, %v", keys, err)
			}
		})
	}
}
