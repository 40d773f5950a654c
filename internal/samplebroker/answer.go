package samplebroker

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The error codes of the specification and the sentences that it has for them (§ Service Broker Errors, § Provisioning,
// § Binding). Clients of several platforms compare the sentences too.
const (
	codeAsyncRequired       = "AsyncRequired"
	codeConcurrencyError    = "ConcurrencyError"
	codeRequiresApp         = "RequiresApp"
	codeMaintenanceConflict = "MaintenanceInfoConflict"

	sayAsyncRequired = "This Service Plan requires client support for asynchronous service operations."
	sayAsyncBindings = "This Service Instance requires client support for asynchronous binding operations."
	sayConcurrency   = "The Service Broker does not support concurrent requests that mutate the same resource."
	sayRequiresApp   = "This Service supports generation of credentials through binding an application only."
	sayMaintenance   = "The maintenance information for the requested Service Plan has changed."
)

const jsonType = "application/json"

// answer is a response before it is written.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// emptyObject is the body of answers that have nothing to say.
type emptyObject struct{}

// reply returns an answer with a JSON body.
func reply(status int, body any) (answer, error) {
	content, err := marshal(body)
	if err != nil {
		return answer{}, err
	}
	return answer{status: status, header: make(http.Header), body: content}, nil
}

// marshal differs from json.Marshal in leaving <, > and & alone.
func marshal(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// write sends the answer. Whatever has a body is JSON unless its header says otherwise.
func (a answer) write(w http.ResponseWriter) {
	header := w.Header()
	maps.Copy(header, a.header)
	if len(a.body) > 0 {
		if _, set := header["Content-Type"]; !set {
			header.Set("Content-Type", jsonType)
		}
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	// Whoever hung up does not need the rest.
	_, _ = w.Write(a.body)
}

// refusalError is an error that is answered to the caller (§ Service Broker Errors).
type refusalError struct {
	status int
	header http.Header
	// raw replaces the fields below.
	raw string

	Code        string `json:"error,omitempty"`
	Description string `json:"description,omitempty"`
	// Only where an update or a deprovisioning failed.
	InstanceUsable   *bool `json:"instance_usable,omitempty"`
	UpdateRepeatable *bool `json:"update_repeatable,omitempty"`
}

// Error returns the description.
func (r *refusalError) Error() string { return r.Description }

func refuse(status int, description string) error {
	return &refusalError{status: status, Description: description}
}

func badRequest(description string) error { return refuse(http.StatusBadRequest, description) }

func unprocessable(code, description string) error {
	return &refusalError{status: http.StatusUnprocessableEntity, Code: code, Description: description}
}

var (
	errUnauthorized = &refusalError{
		status:      http.StatusUnauthorized,
		header:      http.Header{"Www-Authenticate": {`Basic realm="samplebroker", charset="UTF-8"`}},
		Description: "The user name or the password is missing or wrong.",
	}
	errNoSuchPath      = refuse(http.StatusNotFound, "There is nothing at this path.")
	errNoInstance      = refuse(http.StatusNotFound, "The service instance does not exist.")
	errNoBinding       = refuse(http.StatusNotFound, "The service binding does not exist.")
	errGone            = &refusalError{status: http.StatusGone, raw: "{}"}
	errAsyncRequired   = unprocessable(codeAsyncRequired, sayAsyncRequired)
	errAsyncBindings   = unprocessable(codeAsyncRequired, sayAsyncBindings)
	errConcurrency     = unprocessable(codeConcurrencyError, sayConcurrency)
	errRequiresApp     = unprocessable(codeRequiresApp, sayRequiresApp)
	errMaintenance     = unprocessable(codeMaintenanceConflict, sayMaintenance)
	errCreationFailed  = unprocessable("", "The service instance could not be created; it can only be deleted.")
	errPlanUnsupported = &refusalError{
		status:           http.StatusUnprocessableEntity,
		Description:      "Instances of this service plan cannot change to another plan.",
		UpdateRepeatable: new(false),
	}
)

func methodNotAllowed(methods map[string]handler) error {
	allowed := slices.Sorted(maps.Keys(methods))
	return &refusalError{
		status:      http.StatusMethodNotAllowed,
		header:      http.Header{"Allow": {strings.Join(allowed, ", ")}},
		Description: "This path does not have that method.",
	}
}

// answerTo turns an error into an answer. What is not a refusalError is a fault of the broker itself.
func answerTo(err error) answer {
	var r *refusalError
	if !errors.As(err, &r) {
		r = &refusalError{status: http.StatusInternalServerError, Description: "The broker failed: " + err.Error()}
	}
	a := answer{status: r.status, header: make(http.Header), body: []byte(r.raw)}
	if r.raw == "" {
		// Strings and booleans always encode.
		a.body, _ = marshal(r)
	}
	maps.Copy(a.header, r.header)
	return a
}
