// Package osb holds the words of the Open Service Broker protocol that the gateway reads and writes: operations and
// their paths, headers, versions, request bodies, the originating identity and error bodies. It knows nothing of
// backends, stores or Caddy.
package osb

// Operation is one of the calls of the Open Service Broker API and of IBM Cloud's extension to it.
type Operation uint8

// The operations. Unknown is the zero value.
const (
	Unknown Operation = iota
	Catalog
	Provision
	FetchInstance
	Update
	Deprovision
	PollInstance
	Bind
	FetchBinding
	Unbind
	PollBinding
	GetState
	SetState
)

var operationNames = [...]string{
	Unknown:       "unknown",
	Catalog:       "catalog",
	Provision:     "provision",
	FetchInstance: "fetch_instance",
	Update:        "update",
	Deprovision:   "deprovision",
	PollInstance:  "poll_instance",
	Bind:          "bind",
	FetchBinding:  "fetch_binding",
	Unbind:        "unbind",
	PollBinding:   "poll_binding",
	GetState:      "get_state",
	SetState:      "set_state",
}

// String returns the operation's name in spans, metrics and the audit log.
func (o Operation) String() string {
	if int(o) >= len(operationNames) {
		return operationNames[Unknown]
	}
	return operationNames[o]
}

// Mutating tells whether the operation changes something at a broker.
func (o Operation) Mutating() bool {
	switch o {
	case Provision, Update, Deprovision, Bind, Unbind, SetState:
		return true
	default:
		return false
	}
}

// OnBinding tells whether the operation's path names a binding.
func (o Operation) OnBinding() bool {
	switch o {
	case Bind, FetchBinding, Unbind, PollBinding:
		return true
	default:
		return false
	}
}

// Poll tells whether the operation asks for the state of an earlier one.
func (o Operation) Poll() bool { return o == PollInstance || o == PollBinding }
