package samplebroker

import "time"

// Change is an instance or a binding that the broker holds from now on, or does not hold any more. Instances in the
// making are held, and those that failed to be made.
type Change struct {
	InstanceID string
	// BindingID is empty where the change is that of the instance.
	BindingID string
	Held      bool
	// At is when it happened, by the clock of the process.
	At time.Time
}

// observe tells whoever wants to know of a change. It is called with the lock of the broker held.
func (b *Broker) observe(instanceID, bindingID string, held bool) {
	if b.onChange != nil {
		b.onChange(Change{InstanceID: instanceID, BindingID: bindingID, Held: held, At: time.Now()})
	}
}

// Advance takes each operation in progress as far as a poll does. Operations otherwise advance by being polled only, and one
// that no platform knows of would be in progress for ever.
func (b *Broker) Advance() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range b.instances {
		advance(i.history)
		for _, bound := range i.bindings {
			advance(bound.history)
		}
	}
}

func advance(h history) {
	if running := h.running(); running != nil {
		running.poll()
	}
}
