package samplebroker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// PlanSettings say what the broker does with a plan. A catalog has them as the field "samplebroker" of the plan's
// metadata; without it everything happens at once and succeeds. Operations that have begun keep the settings that they
// began with.
type PlanSettings struct {
	// Async makes provisioning, updates and deprovisioning asynchronous.
	Async bool `json:"async"`
	// AsyncBindings makes binding and unbinding asynchronous. The offering has to declare bindings_retrievable.
	AsyncBindings bool `json:"async_bindings"`
	// Polls is how many polls of an asynchronous operation hear that it is in progress. Default: 1.
	Polls *int `json:"polls"`
	// RetryAfterSeconds is sent with those answers, unless it is 0. Default: 1.
	RetryAfterSeconds *int `json:"retry_after_seconds"`
	// Fail lists the operations that fail: provision, update, deprovision, bind, unbind. Synchronous ones answer 500.
	Fail []string `json:"fail"`
	// Interruptible lets a deletion halt the creation that is still in progress, instead of being refused.
	Interruptible bool `json:"interruptible"`
	// ReportDeleted makes polls of an asynchronous deletion that is done answer 200 and "succeeded", instead of 410.
	ReportDeleted bool `json:"report_deleted"`
	// OmitOperation leaves the field operation out of asynchronous answers.
	OmitOperation bool `json:"omit_operation"`
	// OperationSuffix is the end of the field operation. It may hold anything.
	OperationSuffix string `json:"operation_suffix"`
	// RequiresApp refuses bindings without an app_guid.
	RequiresApp bool `json:"requires_app"`
	// BindingLifetimeSeconds is after how long bindings expire. By default they do not.
	BindingLifetimeSeconds int `json:"binding_lifetime_seconds"`
}

const (
	defaultPolls             = 1
	defaultRetryAfterSeconds = 1
	// maxOperationSuffix leaves room for the rest of the 10,000 characters that an operation may have (§ Provisioning).
	maxOperationSuffix = 9_900
)

// parsePlanSettings reads the field of a plan's metadata.
func parsePlanSettings(raw json.RawMessage) (PlanSettings, error) {
	var s PlanSettings
	if isNull(raw) {
		return s, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, err
	}
	if s.polls() < 0 || s.retryAfterSeconds() < 0 || s.BindingLifetimeSeconds < 0 {
		return s, fmt.Errorf("numbers must not be negative")
	}
	if len([]rune(s.OperationSuffix)) > maxOperationSuffix {
		return s, fmt.Errorf("operation_suffix has more than %d characters", maxOperationSuffix)
	}
	for _, name := range s.Fail {
		if !slices.Contains(operationKinds, operationKind(name)) {
			return s, fmt.Errorf("fail names %q, which is none of %v", name, operationKinds)
		}
	}
	return s, nil
}

func (s PlanSettings) polls() int {
	if s.Polls == nil {
		return defaultPolls
	}
	return *s.Polls
}

func (s PlanSettings) retryAfterSeconds() int {
	if s.RetryAfterSeconds == nil {
		return defaultRetryAfterSeconds
	}
	return *s.RetryAfterSeconds
}

func (s PlanSettings) fails(kind operationKind) bool { return slices.Contains(s.Fail, string(kind)) }
