package samplebroker

import (
	"net/http"
	"slices"
	"sync"
)

const (
	maxRecords     = 4096
	maxRecordBytes = 32 << 20
)

// RecordedRequest is a request as it was received.
type RecordedRequest struct {
	Method string
	// RequestURI is the target of the request line, byte for byte.
	RequestURI string
	// Host is that of the request. Header holds all header fields but that one.
	Host   string
	Header http.Header
	// Body is what arrived of the body, in the encoding that it was sent in.
	Body []byte
}

// Requests returns the latest requests under the base path but those to /debug, the oldest first: at most 4096, and
// fewer when their bodies make up more than 32 MiB.
func (b *Broker) Requests() []RecordedRequest { return b.recorder.list() }

// ForgetRequests empties the list of requests.
func (b *Broker) ForgetRequests() { b.recorder.forget() }

// recorder keeps the latest requests.
type recorder struct {
	mu      sync.Mutex
	records []RecordedRequest
	bytes   int
}

func (r *recorder) add(request RecordedRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, request)
	r.bytes += len(request.Body)
	for len(r.records) > maxRecords || r.bytes > maxRecordBytes {
		r.bytes -= len(r.records[0].Body)
		// The slot would keep the body in memory.
		r.records[0] = RecordedRequest{}
		r.records = r.records[1:]
	}
}

func (r *recorder) list() []RecordedRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records, r.bytes = nil, 0
}
