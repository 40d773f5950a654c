package osb

// Body is what the gateway reads of a request's body. An empty string means that the field is absent, null or empty.
// The body itself is sent on as it came, so that what is not read here, numbers above all, stays as it is.
type Body struct {
	// ServiceID and PlanID are those of a create or an update.
	ServiceID, PlanID string
	// PreviousServiceID and PreviousPlanID are those in previous_values of an update.
	PreviousServiceID, PreviousPlanID string
	// PredecessorBindingID is the binding that a rotation follows.
	PredecessorBindingID string
	// Context says where the platform keeps the instance.
	Context Context
}

// Context is what the audit log says of the place of an instance on its platform. The texts are made fit for logs: at
// most 256 bytes, with control characters replaced. What is not a string is left out.
type Context struct {
	// Platform is the kind of platform: cloudfoundry, kubernetes, ibmcloud or another.
	Platform string
	// Organization and Space are GUIDs of Cloud Foundry; from the deprecated fields beside the context if it has none.
	Organization, Space string
	// Namespace and Cluster are those of Kubernetes.
	Namespace, Cluster string
	// Account and CRN are those of IBM Cloud: the account's id and the instance's resource name.
	Account, CRN string
	// InstanceName is the name that the user gave the instance.
	InstanceName string
}

// ReadBody reads the body of a create, an update or an IBM Cloud state change: one JSON object, and nothing behind it.
// Members that are not read may have any shape. An empty body is an error; it is for the caller to know which requests
// have one.
//
// It returns a *RequestError of KindBadRequest for everything that two readers could understand differently, because
// the backend must see the ids that the gateway saw: what is not strict JSON in valid UTF-8, nesting deeper than
// 10,000, and a name that comes twice in an object that is read (the body itself, its previous_values and context). In
// the body itself and in previous_values also for names that differ from a name that is read only in case, which many
// readers take for the same; what the context says is for the audit log alone, so there they are other names. Further
// for an id that is not a string, has control characters, or is longer than 1024 bytes. A context or previous_values
// that is not an object says nothing to the gateway, and is for the backend to judge.
func ReadBody(data []byte) (Body, error) {
	reader := bodyReader{scanner: jsonScanner{text: data}}
	if err := reader.read(); err != nil {
		return Body{}, err
	}
	return reader.body()
}

// bodyField is a field of Body, or a source of one.
type bodyField uint8

// The ids come first, then the texts for the audit log.
const (
	bodyServiceID bodyField = iota
	bodyPlanID
	bodyPreviousServiceID
	bodyPreviousPlanID
	bodyPredecessorBindingID
	bodyOrganization
	bodySpace
	contextPlatform
	contextOrganization
	contextSpace
	contextNamespace
	contextCluster
	contextAccount
	contextCRN
	contextInstanceName

	bodyIDs    = bodyPredecessorBindingID + 1
	bodyFields = contextInstanceName + 1
)

// bodyMember is a member of an object that is read: a string, or an object of such members.
type bodyMember struct {
	name    []byte
	field   bodyField
	members []bodyMember
	// audit tells that nothing but the audit log depends on the members, so that they may have names which differ from
	// those of others only in case.
	audit bool
}

var bodyMembers = []bodyMember{
	{name: []byte("service_id"), field: bodyServiceID},
	{name: []byte("plan_id"), field: bodyPlanID},
	{name: []byte("predecessor_binding_id"), field: bodyPredecessorBindingID},
	{name: []byte("organization_guid"), field: bodyOrganization},
	{name: []byte("space_guid"), field: bodySpace},
	{name: []byte("previous_values"), members: []bodyMember{
		{name: []byte("service_id"), field: bodyPreviousServiceID},
		{name: []byte("plan_id"), field: bodyPreviousPlanID},
	}},
	{name: []byte("context"), audit: true, members: []bodyMember{
		{name: []byte("platform"), field: contextPlatform},
		{name: []byte("organization_guid"), field: contextOrganization},
		{name: []byte("space_guid"), field: contextSpace},
		{name: []byte("namespace"), field: contextNamespace},
		{name: []byte("clusterid"), field: contextCluster},
		{name: []byte("account_id"), field: contextAccount},
		{name: []byte("crn"), field: contextCRN},
		{name: []byte("instance_name"), field: contextInstanceName},
	}},
}

// idNames are the ids in words, for descriptions.
var idNames = [bodyIDs]string{
	bodyServiceID:            "service_id",
	bodyPlanID:               "plan_id",
	bodyPreviousServiceID:    "previous_values.service_id",
	bodyPreviousPlanID:       "previous_values.plan_id",
	bodyPredecessorBindingID: "predecessor_binding_id",
}
