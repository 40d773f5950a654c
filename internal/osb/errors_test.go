package osb_test

import (
	"errors"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// wantKind ends the test unless err is a *RequestError of the kind, with a description.
func wantKind(tb testing.TB, err error, kind osb.RequestErrorKind) *osb.RequestError {
	tb.Helper()
	var requestError *osb.RequestError
	if !errors.As(err, &requestError) {
		tb.Fatalf("got error %v, want a *RequestError of kind %q", err, kind)
	}
	if requestError.Kind != kind {
		tb.Fatalf("got kind %q (%v), want %q", requestError.Kind, err, kind)
	}
	if requestError.Description == "" {
		tb.Fatalf("the error of kind %q has no description", kind)
	}
	return requestError
}

func TestRequestErrorKindString(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for kind := osb.KindBadRequest; kind <= osb.KindIdentityRequired; kind++ {
		name := kind.String()
		if name == "" || name == "unknown" || seen[name] {
			t.Errorf("kind %d has the name %q, want one of its own", kind, name)
		}
		seen[name] = true
	}
	for _, kind := range []osb.RequestErrorKind{0, osb.KindIdentityRequired + 1} {
		if got := kind.String(); got != "unknown" {
			t.Errorf("kind %d: got %q, want unknown", kind, got)
		}
	}
}

func TestRequestErrorError(t *testing.T) {
	t.Parallel()
	err := &osb.RequestError{Kind: osb.KindTooLarge, Description: "the body has more than 5 bytes"}
	if got, want := err.Error(), "too large: the body has more than 5 bytes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
