package osb_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func TestGateways(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		values []string
		want   []string
	}{
		{"none", nil, nil},
		{"empty", []string{"", " , ,"}, nil},
		{"one", []string{"g-1"}, []string{"g-1"}},
		{"several", []string{"g-1, g-2,g-3 ", "g-4"}, []string{"g-1", "g-2", "g-3", "g-4"}},
		{"no marks", []string{`A, "b", c d, é, ` + "\r\nx: y, g-1, " + strings.Repeat("a", 65)}, []string{"g-1"}},
	} {
		if diff := cmp.Diff(test.want, osb.Gateways(test.values)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	if got := len(osb.Gateways([]string{strings.Repeat("a,", 1e6)})); got != osb.MaxGateways+1 {
		t.Errorf("of very many there are %d, want one more than there may be", got)
	}
}

// FuzzGateways: what is read can be sent on, and is read again as the same.
func FuzzGateways(f *testing.F) {
	for _, value := range []string{"", "g-1", "g-1, g-2", "g-1\r\n", ",,,", "G", strings.Repeat("a", 65)} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		marks := osb.Gateways([]string{value})
		if len(marks) > osb.MaxGateways+1 {
			t.Fatalf("got %d marks", len(marks))
		}
		header := osb.FormatGateways(marks)
		if len(header) != 1 || strings.ContainsAny(header[0], "\r\n\x00") {
			t.Errorf("got the header %q", header)
		}
		if again := osb.Gateways(header); !slices.Equal(again, marks) {
			t.Errorf("%q are read again as %q", marks, again)
		}
	})
}
