package osb_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]osb.Version{
		"2.13": {Major: 2, Minor: 13}, "2.9": {Major: 2, Minor: 9}, "2.10": {Major: 2, Minor: 10},
		"0.0": {}, "3.0": {Major: 3}, "9999.9999": {Major: 9999, Minor: 9999},
	} {
		got, err := osb.ParseVersion(s)
		if err != nil || got != want {
			t.Errorf("version %q: got %+v and error %v, want %+v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("version %q: got string %q", s, got)
		}
	}
}

func TestParseVersionMalformed(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", ".", "2", "2.", ".13", "2.13.0", "2.1e1", "2,13", "v2.13", "+2.13", "2.-1", " 2.13", "2.13 ", "2 .13",
		"2.013", "02.13", "2.1_3", "0x2.1", "2.13, 2.13", "10000.1", "2.10000", "2.99999999999999999999", "٢.١٣", "latest",
	} {
		t.Run(s, func(t *testing.T) {
			t.Parallel()
			got, err := osb.ParseVersion(s)
			_ = wantKind(t, err, osb.KindUnsupportedVersion)
			if got != (osb.Version{}) {
				t.Errorf("got %+v with the error", got)
			}
		})
	}
}

func TestVersionLess(t *testing.T) {
	t.Parallel()
	inOrder := []string{"1.99", "2.1", "2.9", "2.10", "2.13", "2.17", "3.0", "10.0"}
	for i, older := range inOrder {
		for j, newer := range inOrder {
			v, errV := osb.ParseVersion(older)
			w, errW := osb.ParseVersion(newer)
			if errV != nil || errW != nil {
				t.Fatalf("parsing: %v, %v", errV, errW)
			}
			if got, want := v.Less(w), i < j; got != want {
				t.Errorf("%v before %v: got %t, want %t", v, w, got, want)
			}
		}
	}
}
