package redisstore_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// The constants were computed apart from this program: the layout of stores that exist depends on them.
func TestBucket(t *testing.T) {
	t.Parallel()
	tests := []struct {
		id   routing.InstanceID
		want byte
	}{
		{"", 197},
		{"a", 237},
		{"i", 17},
		{"}x", 242},
		{"\x00", 75},
		{"\xff\xfe", 101},
		{"é", 170},
		{"8e8c1a2d-6a3f-4f0b-9d1e-0a1b2c3d4e5f", 34},
		{"crn:v1:bluemix:public:svc:us-south:a/4ea:f3e2::", 138},
	}
	for _, test := range tests {
		if got := redisstore.Bucket(test.id); got != test.want {
			t.Errorf("Bucket(%.40q) = %d, want %d", test.id, got, test.want)
		}
	}
}

func TestBucketsFillEvenly(t *testing.T) {
	t.Parallel()
	const instances = 256 * 200
	var count [256]int
	for n := range instances {
		count[redisstore.Bucket(routing.InstanceID("instance-"+strconv.Itoa(n)))]++
	}
	for bucket, n := range count {
		if n < 100 || n > 300 {
			t.Errorf("bucket %d holds %d of %d instances, want about 200", bucket, n, instances)
		}
	}
}

func TestEscape(t *testing.T) {
	t.Parallel()
	tests := []struct{ plain, want string }{
		{"", ""},
		{"azAZ09-._~", "azAZ09-._~"},
		{"a:b", "a%3Ab"},
		{"100%", "100%25"},
		{"}x{", "%7Dx%7B"},
		{"\x00\xff é", "%00%FF%20%C3%A9"},
	}
	for _, test := range tests {
		if got := redisstore.Escape(test.plain); got != test.want {
			t.Errorf("Escape(%q) = %q, want %q", test.plain, got, test.want)
		}
	}
}

// No two ids share a key: what was escaped can be read back, and is printable.
func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "a:b", "100%", "%41", "}x{", "\x00\xff", "日本語"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, plain string) {
		escaped := redisstore.Escape(plain)
		if back, err := url.PathUnescape(escaped); err != nil || back != plain {
			t.Errorf("%q becomes %q and is read back as %q, %v", plain, escaped, back, err)
		}
		if back, ok := redisstore.Unescape(escaped); !ok || back != plain {
			t.Errorf("%q becomes %q and is read back as %q, %t", plain, escaped, back, ok)
		}
		if at := strings.IndexFunc(escaped, func(r rune) bool { return r <= ' ' || r > '~' }); at >= 0 {
			t.Errorf("%q becomes %q, which is not printable at %d", plain, escaped, at)
		}
		if strings.ContainsAny(escaped, ":{}*?[]") {
			t.Errorf("%q becomes %q, which holds a character that means something", plain, escaped)
		}
	})
}

// What escape never makes is not read as anything.
func FuzzUnescape(f *testing.F) {
	for _, seed := range []string{"", "a%3Ab", "a%3ab", "%41", "%", "%4", "%4G", "%%", "a:b", "\xff", "a b", "%00%FF"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		plain, ok := redisstore.Unescape(escaped)
		if ok && redisstore.Escape(plain) != escaped || !ok && plain != "" {
			t.Errorf("%q is read as %q, %t", escaped, plain, ok)
		}
		decoded, err := url.PathUnescape(escaped)
		if isMade := err == nil && redisstore.Escape(decoded) == escaped; isMade != ok {
			t.Errorf("%q: got %t, want %t", escaped, ok, isMade)
		}
	})
}

// Everything that is in the server after some calls is compared: keys, types, values and index.
func TestLayout(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	store := openShared(t)
	key := routing.Key{Instance: "}x", Binding: "b:\xff"}
	swap(t, store, routing.Change{
		Key:      key,
		Instance: &routing.Write{Data: []byte("the instance"), Unfinished: true},
		Binding:  &routing.Write{Data: []byte("the binding"), TTL: time.Hour},
	})
	if _, _, err := store.SwapDocument(t.Context(), "catalog/ä", 0, []byte("content")); err != nil {
		t.Fatal(err)
	}
	p := store.prefix + ":g:"
	got, err := server.Client().Keys(t.Context(), p+"*").Result()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		p + "{242}:instance:%7Dx":          "string",
		p + "{242}:binding:%7Dx:b%3A%FF":   "string",
		p + "{242}:ids":                    "zset",
		p + "{242}:expiries":               "zset",
		p + "{242}:unfinished":             "zset",
		p + "{documents}:catalog%2F%C3%A4": "hash",
	}
	types := make(map[string]string)
	for _, name := range got {
		types[name] = server.Client().Type(t.Context(), name).Val()
	}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("the keys differ (-want +got):\n%s", diff)
	}
	if got := server.Client().Get(t.Context(), p+"{242}:instance:%7Dx").Val(); got != "the instance" {
		t.Errorf("the instance is %q", got)
	}
	if err := store.Mark(t.Context(), "the identity", false); err != nil {
		t.Fatal(err)
	}
	for bucket := range 256 {
		name := p + "{" + strconv.Itoa(bucket) + "}:store"
		if got := server.Client().Get(t.Context(), name).Val(); got != "the identity" {
			t.Errorf("%s is %q", name, got)
		}
	}
	wantHash := map[string]string{"version": "1", "data": "content"}
	gotHash := server.Client().HGetAll(t.Context(), p+"{documents}:catalog%2F%C3%A4").Val()
	if diff := cmp.Diff(wantHash, gotHash); diff != "" {
		t.Errorf("the document differs (-want +got):\n%s", diff)
	}
}

func TestIndexes(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	store := openShared(t)
	key := routing.Key{Instance: "i", Binding: "b"}
	// The values tell whether a member has a score.
	type set = map[string]bool
	members := func(name string) set {
		t.Helper()
		scores, err := server.Client().ZRangeWithScores(t.Context(), setKey(store.prefix, "i", name), 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		found := make(set)
		for _, score := range scores {
			found[score.Member.(string)] = score.Score != 0
		}
		return found
	}
	want := func(what string, ids, expiries, unfinished set) {
		t.Helper()
		for name, want := range map[string]set{"ids": ids, "expiries": expiries, "unfinished": unfinished} {
			if diff := cmp.Diff(want, members(name)); diff != "" {
				t.Errorf("%s: %s differ (-want +got):\n%s", what, name, diff)
			}
		}
	}
	unfinished := func(data string) *routing.Write { return &routing.Write{Data: []byte(data), Unfinished: true} }
	both := set{"instance:i": false, "binding:i:b": false}

	held := swap(t, store, routing.Change{Key: key, Instance: unfinished("1"), Binding: write("1")})
	want("instance unfinished", both, set{}, set{"instance:i": true})

	held = swap(t, store, routing.Change{Key: key, Old: held, Binding: unfinished("2")})
	want("both unfinished", both, set{}, set{"instance:i": true, "binding:i:b": true})

	held = swap(t, store, routing.Change{
		Key: key, Old: held, Instance: &routing.Write{Data: []byte("3"), TTL: time.Hour},
	})
	want("instance ends", both, set{"instance:i": true}, set{"binding:i:b": true})

	if _, swapped, err := store.Swap(t.Context(), routing.Change{
		Key: key, Instance: unfinished("x"), Binding: &routing.Write{},
	}); swapped || err != nil {
		t.Fatalf("got %t, %v, want a mismatch", swapped, err)
	}
	want("after a mismatch", both, set{"instance:i": true}, set{"binding:i:b": true})

	held = swap(t, store, routing.Change{Key: key, Old: held, Instance: write("4"), Binding: &routing.Write{}})
	want("instance without an end, binding erased", set{"instance:i": false}, set{}, set{})

	held = swap(t, store, routing.Change{
		Key: key, Old: held, Instance: &routing.Write{Data: []byte("5"), TTL: time.Hour, Unfinished: true},
	})
	want("instance ends, unfinished", set{"instance:i": false}, set{"instance:i": true}, set{"instance:i": true})

	swap(t, store, routing.Change{Key: key, Old: held, Instance: &routing.Write{}})
	want("instance erased", set{}, set{}, set{})
}

// The scores are the server's time in milliseconds.
func TestScoresAreTimes(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	store := openShared(t)
	held := swap(t, store, routing.Change{
		Key:      routing.Key{Instance: "i"},
		Instance: &routing.Write{Data: []byte("x"), TTL: time.Hour, Unfinished: true},
	})
	ends := server.Client().ZScore(t.Context(), setKey(store.prefix, "i", "expiries"), "instance:i").Val()
	if want := float64(held.Now.Add(time.Hour).UnixMilli()); ends != want {
		t.Errorf("the record ends at %.0f, want %.0f", ends, want)
	}
	written := server.Client().ZScore(t.Context(), setKey(store.prefix, "i", "unfinished"), "instance:i").Val()
	if want := float64(held.Now.UnixMilli()); written != want {
		t.Errorf("the record was written at %.0f, want %.0f", written, want)
	}
}

// Members of records that expired are taken out by later writes to the bucket, a few at a time.
func TestExpiredMembersAreTrimmed(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	store := openShared(t)
	ids, expiries := setKey(store.prefix, "i", "ids"), setKey(store.prefix, "i", "expiries")
	unfinished := setKey(store.prefix, "i", "unfinished")
	add := func(name string, score int64, member string) {
		t.Helper()
		err := server.Client().ZAdd(t.Context(), name, redis.Z{Score: float64(score), Member: member}).Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	const expired = 40
	for n := range int64(expired) {
		member := "instance:expired-" + strconv.FormatInt(n, 10)
		add(ids, 0, member)
		add(expiries, 1+n, member)
		add(unfinished, 1+n, member)
	}
	add(ids, 0, "instance:without-end")
	add(ids, 0, "instance:with-end")
	add(expiries, time.Now().Add(time.Hour).UnixMilli(), "instance:with-end")
	held := routing.Snapshot{}
	for n, left := range []int{24, 8, 0, 0} {
		held = swap(t, store, routing.Change{
			Key: routing.Key{Instance: "i"}, Old: held, Instance: write(strconv.Itoa(n)),
		})
		if got := server.Client().ZCard(t.Context(), ids).Val(); got != int64(left+3) {
			t.Errorf("after write %d: %d ids, want %d", n+1, got, left+3)
		}
		if got := server.Client().ZCard(t.Context(), expiries).Val(); got != int64(left+1) {
			t.Errorf("after write %d: %d expiries, want %d", n+1, got, left+1)
		}
		if got := server.Client().ZCard(t.Context(), unfinished).Val(); got != int64(left) {
			t.Errorf("after write %d: %d unfinished, want %d", n+1, got, left)
		}
	}
}

// What a script touches must lie in one slot of a cluster, whatever the id: a node of a cluster refuses it else.
func TestStoreOnAClusterNode(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.ClusterNode())
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	slots := make(map[int64]bool)
	for _, id := range []routing.InstanceID{"}x", "}", "{a}", "{}", "a", "{0}", "}{", ":", "i"} {
		key := routing.Key{Instance: id, Binding: routing.BindingID(id)}
		held := swap(t, store, routing.Change{Key: key, Instance: write("i"), Binding: write("b")})
		swap(t, store, routing.Change{Key: key, Old: held, Binding: &routing.Write{}})
		wantInstance(t, store, id, "i")
		name := strings.Replace(instanceKey("osb", key), ":g:", ":default:", 1)
		if server.Client().Exists(t.Context(), name).Val() == 0 {
			t.Errorf("%q: there is no %s", id, name)
		}
		slots[server.Client().ClusterKeySlot(t.Context(), name).Val()] = true
	}
	if len(slots) < 2 {
		t.Error("all instances are in one slot")
	}
	if _, swapped, err := store.SwapDocument(t.Context(), "d", 0, []byte("x")); err != nil || !swapped {
		t.Errorf("SwapDocument: %t, %v", swapped, err)
	}
}

// Gateways and prefixes that could be mistaken for each other see nothing of each other.
func TestGatewaysDoNotMix(t *testing.T) {
	t.Parallel()
	base := newPrefix()
	names := []struct{ prefix, gateway string }{
		{base, "a"}, {base, "b"}, {base, "a:b"}, {base + ":a", "b"}, {base, "a%3Ab"}, {base, "{1}"}, {base, "}"},
	}
	var stores []*redisstore.Store
	for _, name := range names {
		stores = append(stores, open(t, redisstore.Config{
			Addresses: []string{redistest.Shared(t).Addr}, KeyPrefix: name.prefix, Gateway: name.gateway, Timeout: patience,
		}))
	}
	for n, store := range stores {
		wantInstance(t, store, "i", "")
		swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write(names[n].gateway)})
	}
	for n, store := range stores {
		wantInstance(t, store, "i", names[n].gateway)
	}
}
