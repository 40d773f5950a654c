package osb_test

import (
	"bytes"
	"compress/gzip"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func compress(tb testing.TB, text string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		tb.Fatalf("compressing: %v", err)
	}
	if err := w.Close(); err != nil {
		tb.Fatalf("compressing: %v", err)
	}
	return b.Bytes()
}

func TestInflate(t *testing.T) {
	t.Parallel()
	compressed := compress(t, "hello")
	tests := map[string]struct {
		encoding string
		data     []byte
		limit    int64
		want     string
	}{
		"no encoding":                {"", []byte("hello"), 100, "hello"},
		"identity":                   {" Identity ", []byte("hello"), 100, "hello"},
		"nothing, without encoding":  {"", nil, 100, ""},
		"gzip":                       {"gzip", compressed, 100, "hello"},
		"gzip in capitals":           {"GZIP", compressed, 100, "hello"},
		"x-gzip":                     {"x-gzip", compressed, 100, "hello"},
		"gzip of nothing":            {"gzip", compress(t, ""), 0, ""},
		"gzip in two members":        {"gzip", append(compress(t, "hel"), compress(t, "lo")...), 100, "hello"},
		"as much as may be":          {"gzip", compressed, 5, "hello"},
		"as much as may be, by far":  {"gzip", compressed, math.MaxInt64, "hello"},
		"without encoding, no limit": {"", []byte("hello"), 1, "hello"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := osb.Inflate(test.encoding, test.data, test.limit)
			if err != nil || string(got) != test.want {
				t.Errorf("got %q and error %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestInflateBad(t *testing.T) {
	t.Parallel()
	compressed := compress(t, "hello")
	tests := map[string]struct {
		encoding string
		data     []byte
		limit    int64
		kind     osb.RequestErrorKind
	}{
		"one byte too much": {"gzip", compressed, 4, osb.KindTooLarge},
		"no byte allowed":   {"gzip", compressed, 0, osb.KindTooLarge},
		"negative limit":    {"gzip", compressed, -1, osb.KindTooLarge},
		"bomb":              {"gzip", compress(t, strings.Repeat("\x00", 10<<20)), 1 << 20, osb.KindTooLarge},
		"second member too much": {
			"gzip", append(compress(t, "hello"), compressed...), 5, osb.KindTooLarge,
		},
		"nothing":     {"gzip", nil, 100, osb.KindBadRequest},
		"not gzip":    {"gzip", []byte(`{"service_id":"s"}`), 100, osb.KindBadRequest},
		"cut header":  {"gzip", compressed[:5], 100, osb.KindBadRequest},
		"cut":         {"gzip", compressed[:len(compressed)-1], 100, osb.KindBadRequest},
		"more behind": {"gzip", append(bytes.Clone(compressed), "garbage"...), 100, osb.KindBadRequest},
		"wrong checksum": {
			"gzip", append(bytes.Clone(compressed[:len(compressed)-8]), make([]byte, 8)...), 100, osb.KindBadRequest,
		},
		"deflate":       {"deflate", compressed, 100, osb.KindUnsupportedEncoding},
		"brotli":        {"br", compressed, 100, osb.KindUnsupportedEncoding},
		"twice":         {"gzip, gzip", compress(t, string(compressed)), 100, osb.KindUnsupportedEncoding},
		"with identity": {"identity, gzip", compressed, 100, osb.KindUnsupportedEncoding},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := osb.Inflate(test.encoding, test.data, test.limit)
			_ = wantKind(t, err, test.kind)
			if got != nil {
				t.Errorf("got %d bytes with the error", len(got))
			}
		})
	}
}

// Readers are used again, after failures too, and by several calls at a time.
func TestInflateConcurrently(t *testing.T) {
	t.Parallel()
	compressed := compress(t, strings.Repeat("hello", 1000))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if _, err := osb.Inflate("gzip", compressed[:20], 10_000); err == nil {
					t.Error("got no error for data that is cut")
				}
				got, err := osb.Inflate("gzip", compressed, 10_000)
				if err != nil || string(got) != strings.Repeat("hello", 1000) {
					t.Errorf("got %d bytes and error %v", len(got), err)
				}
			}
		})
	}
	group.Wait()
}
