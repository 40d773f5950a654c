package telemetry_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// ended has a span ended, and returns it.
func ended(t *testing.T, end func(trace.Span)) sdktrace.ReadOnlySpan {
	t.Helper()
	s := newServer(t)
	_, span := s.start(t.Context())
	end(span)
	spans := s.spans.Ended()
	if len(spans) != 1 {
		t.Fatalf("got %d spans that have ended, want 1", len(spans))
	}
	return spans[0]
}

func attributeOf(span sdktrace.ReadOnlySpan, key attribute.Key) string {
	for _, kv := range span.Attributes() {
		if kv.Key == key {
			return kv.Value.String()
		}
	}
	return ""
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		end    func(trace.Span)
		failed bool
		class  string
	}{
		{"server 200", func(s trace.Span) { telemetry.EndServer(s, 200) }, false, ""},
		{"server 404", func(s trace.Span) { telemetry.EndServer(s, 404) }, false, ""},
		{"server 503", func(s trace.Span) { telemetry.EndServer(s, 503) }, true, "503"},
		{"backend 202", func(s trace.Span) { telemetry.EndBackend(s, osb.Provision, 202) }, false, ""},
		{"backend 409", func(s trace.Span) { telemetry.EndBackend(s, osb.Provision, 409) }, true, "409"},
		{"backend 410 of a delete", func(s trace.Span) { telemetry.EndBackend(s, osb.Deprovision, 410) }, false, ""},
		{"backend 410 of an unbind", func(s trace.Span) { telemetry.EndBackend(s, osb.Unbind, 410) }, false, ""},
		{"backend 410 of a poll", func(s trace.Span) { telemetry.EndBackend(s, osb.PollInstance, 410) }, false, ""},
		{"backend 410 of a fetch", func(s trace.Span) { telemetry.EndBackend(s, osb.FetchInstance, 410) }, true, "410"},
		{"backend 500", func(s trace.Span) { telemetry.EndBackend(s, osb.Bind, 500) }, true, "500"},
		{"no error", func(s trace.Span) { telemetry.EndFailed(s, nil) }, false, ""},
		{"not reached", func(s trace.Span) { telemetry.EndNotReached(s, errors.New("secret")) }, true, "not_reached"},
		{"timeout of a dial", func(s trace.Span) { telemetry.EndNotReached(s, context.DeadlineExceeded) }, true, "timeout"},
		{"an error", func(s trace.Span) { telemetry.EndFailed(s, errors.New("secret")) }, true, "_OTHER"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			span := ended(t, test.end)
			want := codes.Unset
			if test.failed {
				want = codes.Error
			}
			if got := span.Status(); got.Code != want || got.Description != "" {
				t.Errorf("status: got %v, want %v without a text", got, want)
			}
			if got := attributeOf(span, "error.type"); got != test.class {
				t.Errorf("error.type: got %q, want %q", got, test.class)
			}
		})
	}
}

func TestErrorClasses(t *testing.T) {
	t.Parallel()
	dial := func(err error) error {
		return &url.Error{Op: "Put", URL: "http://u:secret@b/?q=secret", Err: &net.OpError{Op: "dial", Err: err}}
	}
	tests := []struct {
		class string
		err   error
	}{
		{"timeout", context.DeadlineExceeded},
		{"timeout", fmt.Errorf("forwarding: %w", dial(os.ErrDeadlineExceeded))},
		{"timeout", &net.DNSError{IsTimeout: true}},
		{"canceled", fmt.Errorf("forwarding: %w", context.Canceled)},
		{"dns", dial(&net.DNSError{IsNotFound: true})},
		{"tls", dial(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})},
		{"tls", dial(x509.UnknownAuthorityError{})},
		{"connection_refused", dial(&os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED})},
		{"connection_reset", dial(syscall.ECONNRESET)},
		{"connection_closed", fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)},
		{"_OTHER", errors.New("secret")},
	}
	for _, test := range tests {
		t.Run(test.class+" "+test.err.Error(), func(t *testing.T) {
			t.Parallel()
			span := ended(t, func(s trace.Span) { telemetry.EndFailed(s, test.err) })
			if got := attributeOf(span, "error.type"); got != test.class {
				t.Errorf("error.type: got %q, want %q", got, test.class)
			}
			if len(span.Events()) > 0 || span.Status().Description != "" {
				t.Errorf("the text of the error is on the span: %v, %v", span.Events(), span.Status())
			}
		})
	}
}
