package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// EndServer notes the status that a platform was answered with, and ends the span of its call. The span is an Error
// from 500 on: what is below is the caller's doing.
func EndServer(span trace.Span, status int) {
	noteStatus(span, status, status >= http.StatusInternalServerError)
	span.End()
}

// EndBackend notes the status that a backend answered with, and ends the span of the sending. The span is an Error from
// 400 on, but not for the 410 by which a backend says that what was to be deleted is gone.
func EndBackend(span trace.Span, operation osb.Operation, status int) {
	noteStatus(span, status, status >= http.StatusBadRequest && !goneAsAsked(operation, status))
	span.End()
}

// EndFailed notes that no answer came, or none that can be used, and ends the span. A nil error only ends it.
func EndFailed(span trace.Span, err error) {
	if err != nil {
		noteError(span, errorClass(err))
	}
	span.End()
}

// EndNotReached is EndFailed for an error that is known to have come before the other side got anything. Where the error
// does not tell more, as that of a transport which hides its causes, the span says that it was not reached.
func EndNotReached(span trace.Span, err error) {
	class := errorClass(err)
	if class == semconv.ErrorTypeOther.Value.AsString() {
		class = classNotReached
	}
	noteError(span, class)
	span.End()
}

const classNotReached = "not_reached"

func noteError(span trace.Span, class string) {
	if span.IsRecording() {
		span.SetAttributes(semconv.ErrorTypeKey.String(class))
		span.SetStatus(codes.Error, "")
	}
}

func noteStatus(span trace.Span, status int, failed bool) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if failed {
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
		span.SetStatus(codes.Error, "")
	}
}

func goneAsAsked(operation osb.Operation, status int) bool {
	if status != http.StatusGone {
		return false
	}
	switch operation {
	case osb.Deprovision, osb.Unbind, osb.PollInstance, osb.PollBinding:
		return true
	default:
		return false
	}
}

// errorClass sorts an error into one of few classes, for error.type.
func errorClass(err error) string {
	var (
		timeout     net.Error
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		authority   x509.UnknownAuthorityError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &dns):
		return "dns"
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &authority):
		return "tls"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection_reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "connection_closed"
	default:
		return semconv.ErrorTypeOther.Value.AsString()
	}
}
