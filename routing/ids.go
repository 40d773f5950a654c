package routing

// The ids of the protocol are distinct types, so that mixing them up does not compile. All of them are decoded: what
// the path holds percent-encoded is held here as the string it stands for.
type (
	// InstanceID is the id of a service instance, chosen by the platform.
	InstanceID string
	// BindingID is the id of a service binding, chosen by the platform; it is unique within its instance only.
	BindingID string
	// ServiceID is the id of a service offering.
	ServiceID string
	// PlanID is the id of a service plan.
	PlanID string
	// BackendID is the stable id of a backend: the first name it was known by.
	BackendID string
	// PlatformID is the stable id of a platform: the first name it was known by.
	PlatformID string
)
