package samplebroker

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// serveFault answers a call by a rule. Work is what the call asks for.
func (b *Broker) serveFault(w http.ResponseWriter, r *http.Request, f Fault, work func() answer) {
	arrived := time.Now()
	b.wait(f.DelayBefore)
	if f.DropAfter > 0 && time.Since(arrived) > time.Duration(f.DropAfter) {
		cutOff()
	}
	a := answer{header: make(http.Header)}
	if !f.BeforeWork {
		a = work()
	}
	if f.Status != 0 {
		a = answer{status: f.Status, header: make(http.Header), body: []byte(f.Body)}
		if f.ContentType != "" {
			a.header.Set("Content-Type", f.ContentType)
		}
	}
	for name, value := range f.Headers {
		a.header.Set(name, value)
	}
	if f.DropContentType {
		// An entry without values keeps the server from guessing the type.
		a.header["Content-Type"] = nil
	}
	b.wait(f.DelayAfter)
	switch f.Action {
	case ActionNone, ActionAnswer:
		a.write(w)
	case ActionClose:
		cutOff()
	case ActionHang:
		select {
		case <-r.Context().Done():
		case <-b.closed:
		}
		cutOff()
	case ActionTruncate:
		a.truncate(w)
	case ActionEndless:
		a.endless(w)
	}
}

// wait lets time pass, and cuts the call off when the broker is closed meanwhile.
func (b *Broker) wait(d Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(time.Duration(d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.closed:
		cutOff()
	}
}

// cutOff ends the connection without more of an answer. The server catches the panic and says nothing of it.
func cutOff() { panic(http.ErrAbortHandler) }

// begin sends the header of an answer whose body is not as announced.
func (a answer) begin(w http.ResponseWriter) {
	header := w.Header()
	maps.Copy(header, a.header)
	if _, set := header["Content-Type"]; !set {
		header.Set("Content-Type", jsonType)
	}
	w.WriteHeader(a.status)
}

// truncate announces at least one byte more than it sends.
func (a answer) truncate(w http.ResponseWriter) {
	w.Header().Set("Content-Length", strconv.Itoa(max(len(a.body), 1)))
	a.begin(w)
	// Whoever hung up misses nothing here, nor below.
	_, _ = w.Write(a.body[:len(a.body)/2])
	_ = http.NewResponseController(w).Flush()
	cutOff()
}

func (a answer) endless(w http.ResponseWriter) {
	a.begin(w)
	_, err := w.Write(a.body)
	spaces := bytes.Repeat([]byte(" "), 32<<10)
	for err == nil {
		_, err = w.Write(spaces)
	}
	cutOff()
}
