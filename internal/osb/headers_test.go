package osb_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func TestHeaderNamesAreCanonical(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		osb.HeaderAPIVersion, osb.HeaderOriginatingIdentity, osb.HeaderRequestIdentity, osb.HeaderRetryAfter,
		osb.HeaderAllow, osb.HeaderWWWAuthenticate, osb.HeaderContentType, osb.HeaderContentEncoding,
	} {
		if want := http.CanonicalHeaderKey(name); name != want {
			t.Errorf("got %q, want %q: it could not index an http.Header", name, want)
		}
	}
	for got, want := range map[string]string{
		osb.HeaderAPIVersion:          "X-Broker-API-Version",
		osb.HeaderOriginatingIdentity: "X-Broker-API-Originating-Identity",
		osb.HeaderRequestIdentity:     "X-Broker-API-Request-Identity",
	} {
		if !strings.EqualFold(got, want) || !strings.HasPrefix(got, osb.HeaderPrefix) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestIsHopByHop(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Connection": true, "connection": true, "TE": true, "Trailer": true, "transfer-encoding": true,
		"UPGRADE": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authorization": true,
		"Proxy-Authenticate": true, "Authorization": false, "X-Broker-API-Version": false, "Content-Type": false,
		"Content-Length": false, "": false,
	} {
		if got := osb.IsHopByHop(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}

func TestRemoveHopByHop(t *testing.T) {
	t.Parallel()
	header := http.Header{}
	for _, line := range [][2]string{
		{"Connection", "close, X-Mine,, x-other "},
		{"Connection", "Foo"},
		{"Keep-Alive", "timeout=5"},
		{"Te", "trailers"},
		{"Upgrade", "h2c"},
		{"X-Mine", "1"},
		{"X-Other", "2"},
		{"Foo", "3"},
		{"Proxy-Authorization", "Basic x"},
		{"X-Broker-API-Version", "2.17"},
		{"X-Bluemix-Region", "us-south"},
	} {
		header.Add(line[0], line[1])
	}
	osb.RemoveHopByHop(header)
	want := http.Header{"X-Broker-Api-Version": {"2.17"}, "X-Bluemix-Region": {"us-south"}}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("header differs (-want +got):\n%s", diff)
	}
	osb.RemoveHopByHop(nil)
}

func TestNewRequestIdentity(t *testing.T) {
	t.Parallel()
	uuid4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := osb.NewRequestIdentity()
		if !uuid4.MatchString(id) {
			t.Fatalf("got %q, want a UUID of version 4", id)
		}
		if clean, ok := osb.CleanRequestIdentity(id); !ok || clean != id {
			t.Fatalf("got %q and %t for an identity of our own", clean, ok)
		}
		if seen[id] {
			t.Fatalf("got %q twice", id)
		}
		seen[id] = true
	}
}

func TestCleanRequestIdentity(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		identity, want string
		ok             bool
	}{
		"UUID":            {"e26cee84-6b38-4456-b34e-d1a9f002c956", "e26cee84-6b38-4456-b34e-d1a9f002c956", true},
		"any text":        {"a b~!", "a b~!", true},
		"spaces around":   {" \ta ", "a", true},
		"longest":         {strings.Repeat("a", 256), strings.Repeat("a", 256), true},
		"nothing":         {"", "", false},
		"only spaces":     {"  ", "", false},
		"too long":        {strings.Repeat("a", 257), "", false},
		"line feed":       {"a\nb", "", false},
		"escape sequence": {"a\x1b[2Jb", "", false},
		"DEL":             {"a\x7f", "", false},
		"not ASCII":       {"ü", "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := osb.CleanRequestIdentity(test.identity); got != test.want || ok != test.ok {
				t.Errorf("got %q and %t, want %q and %t", got, ok, test.want, test.ok)
			}
		})
	}
}
