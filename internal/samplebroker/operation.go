package samplebroker

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// operationKind is what an operation does.
type operationKind string

const (
	kindProvision   operationKind = "provision"
	kindUpdate      operationKind = "update"
	kindDeprovision operationKind = "deprovision"
	kindBind        operationKind = "bind"
	kindUnbind      operationKind = "unbind"
)

var operationKinds = []operationKind{kindProvision, kindUpdate, kindDeprovision, kindBind, kindUnbind}

func (k operationKind) deletes() bool { return k == kindDeprovision || k == kindUnbind }

// operationState has the values of the field state (§ Polling Last Operation for Service Instances).
type operationState string

const (
	stateInProgress operationState = "in progress"
	stateSucceeded  operationState = "succeeded"
	stateFailed     operationState = "failed"
)

const (
	sayFailed = "The operation failed, as this service plan wants it to."
	sayHalted = "The operation was halted by a deletion."
)

// operation is something that was done to an instance or a binding.
type operation struct {
	kind  operationKind
	state operationState
	// id is the value of the field operation; empty where none was sent.
	id    string
	async bool
	// request tells a request that was sent again from another one.
	request   string
	settings  PlanSettings
	pollsLeft int
	// description is told to those who poll after the end.
	description string
	// succeed and fail change the resource in the end. Either may be nil.
	succeed, fail func()
}

// newOperation returns an asynchronous operation.
func (b *Broker) newOperation(kind operationKind, settings PlanSettings) *operation {
	o := &operation{
		kind: kind, state: stateInProgress, async: true, settings: settings, pollsLeft: settings.polls(),
	}
	if !settings.OmitOperation {
		b.operations++
		o.id = fmt.Sprintf("%s-%d%s", kind, b.operations, settings.OperationSuffix)
	}
	return o
}

// finished returns a synchronous operation.
func finished(kind operationKind) *operation { return &operation{kind: kind, state: stateSucceeded} }

// poll advances the operation by one poll.
func (o *operation) poll() {
	switch {
	case o.state != stateInProgress:
	case o.pollsLeft > 0:
		o.pollsLeft--
	case o.settings.fails(o.kind):
		o.end(stateFailed, sayFailed, o.fail)
	default:
		o.end(stateSucceeded, "The operation succeeded.", o.succeed)
	}
}

// halt ends the operation for a deletion, which takes care of the resource.
func (o *operation) halt() { o.end(stateFailed, sayHalted, nil) }

func (o *operation) end(state operationState, description string, effect func()) {
	o.state, o.description = state, description
	if effect != nil {
		effect()
	}
}

// maxHistory is how many operations are remembered of one resource.
const maxHistory = 32

// history holds the operations on one resource, the last one at its end.
type history []*operation

func (h *history) add(o *operation) {
	*h = append(*h, o)
	if extra := len(*h) - maxHistory; extra > 0 {
		*h = slices.Delete(*h, 0, extra)
	}
}

// running returns the operation in progress, or nil.
func (h history) running() *operation {
	if len(h) == 0 || h[len(h)-1].state != stateInProgress {
		return nil
	}
	return h[len(h)-1]
}

// find returns the operation of an id, or the last one for the empty id.
func (h history) find(id string) (*operation, error) {
	if id == "" {
		return h[len(h)-1], nil
	}
	for _, o := range slices.Backward(h) {
		if o.id == id {
			return o, nil
		}
	}
	return nil, badRequest("The query field operation is none that this broker gave out for this resource.")
}

// operationBody is the body of an answer to a poll.
type operationBody struct {
	State            operationState `json:"state"`
	Description      string         `json:"description,omitempty"`
	InstanceUsable   *bool          `json:"instance_usable,omitempty"`
	UpdateRepeatable *bool          `json:"update_repeatable,omitempty"`
}

// pollLast answers a poll of an operation of h. Missing is the answer where the resource was deleted synchronously: 410
// is for asynchronous deletions only.
func pollLast(c *call, h history, missing error) (answer, error) {
	id, err := c.queryText("operation")
	if err != nil {
		return answer{}, err
	}
	o, err := h.find(id)
	if err != nil {
		return answer{}, err
	}
	progress := o.settings.polls() - o.pollsLeft
	o.poll()
	body := operationBody{State: o.state, Description: o.description}
	switch {
	case o.state == stateInProgress:
		body.Description = fmt.Sprintf("The operation %s is in progress: %d of %d.",
			o.kind, progress, o.settings.polls())
	case o.state == stateFailed && (o.kind == kindUpdate || o.kind == kindDeprovision):
		body.InstanceUsable = new(true)
		if o.kind == kindUpdate {
			body.UpdateRepeatable = new(false)
		}
	case o.state == stateSucceeded && o.kind.deletes() && !o.async:
		return answer{}, missing
	case o.state == stateSucceeded && o.kind.deletes() && !o.settings.ReportDeleted:
		return answer{}, errGone
	}
	a, err := reply(http.StatusOK, body)
	if seconds := o.settings.retryAfterSeconds(); err == nil && o.state == stateInProgress && seconds > 0 {
		a.header.Set("Retry-After", strconv.Itoa(seconds))
	}
	return a, err
}
