package catalogmerge

import "strings"

// field is one field of an object that the rules know. All others pass unseen.
type field struct {
	name     string
	required bool
	// notNull tells that null is as wrong as any other type although the field is optional. Cloud Foundry takes null
	// for an absent field everywhere but in the lists of strings.
	notNull bool
	// structured tells that the value has fields or elements of its own with rules.
	structured bool
	// unread tells that only Cloud Foundry reads the field, and no platform that is written in Go.
	unread bool
	check  func(value []byte) (Rule, string)
	// hint looks for a soft problem in a value that passed the check; nil if there is none to find.
	hint func(value []byte) (Rule, string)
}

// The fields of each object. The order is that of the constants below, by which their values are found.
var (
	offeringObject = newObjectRules([]field{
		offeringID:       {name: "id", required: true, check: nonBlank, hint: nameHint},
		offeringName:     {name: "name", required: true, check: nonBlank, hint: nameHint},
		offeringPlans:    {name: "plans", required: true, structured: true, check: nonEmptyArray},
		offeringClient:   {name: "dashboard_client", structured: true, check: object},
		offeringBindable: {name: "bindable", required: true, check: boolean},
		offeringMetadata: {name: "metadata", check: opaque, hint: metadataHint},
		6:                {name: "description", required: true, check: description},
		7:                {name: "tags", notNull: true, check: tags},
		8:                {name: "requires", notNull: true, check: permissions},
		9:                {name: "plan_updateable", check: boolean},
		10:               {name: "instances_retrievable", check: boolean},
		11:               {name: "bindings_retrievable", check: boolean},
		12:               {name: "allow_context_updates", check: boolean},
	}, map[string]string{"planupdatable": "plan_updateable"}).
		without("free", "maintenance_info", "maximum_polling_duration", "schemas")
	planObject = newObjectRules([]field{
		planID:              {name: "id", required: true, check: nonBlank, hint: nameHint},
		planName:            {name: "name", required: true, check: nonBlank, hint: nameHint},
		planFree:            {name: "free", check: boolean},
		planBindable:        {name: "bindable", check: boolean},
		4:                   {name: "metadata", check: opaque, hint: metadataHint},
		planMaintenanceInfo: {name: "maintenance_info", structured: true, check: object},
		planSchemas:         {name: "schemas", structured: true, check: object},
		7:                   {name: "description", required: true, check: description},
		8:                   {name: "plan_updateable", check: boolean},
		9:                   {name: "binding_rotatable", check: boolean},
		10:                  {name: "maximum_polling_duration", unread: true, check: duration, hint: durationHint},
	}, map[string]string{"planupdatable": "plan_updateable"})
	clientObject = newObjectRules([]field{
		clientID: {name: "id", required: true, check: nonBlank, hint: nameHint},
		1:        {name: "secret", required: true, check: nonBlank},
		2:        {name: "redirect_uri", required: true, check: nonBlank},
		3:        {name: "redirect_url", check: anyString}, // what Korifi reads in place of redirect_uri
	}, nil)
)

const (
	offeringID = iota
	offeringName
	offeringPlans
	offeringClient
	offeringBindable
	offeringMetadata
)

const (
	planID = iota
	planName
	planFree
	planBindable
	_
	planMaintenanceInfo
	planSchemas
)

const clientID = 0

// maxFields is the length of the longest of the lists above.
const maxFields = 13

// offeringRules are the rules that need more than one field at a time. Each reports what it finds.
var offeringRules = []func(*draft){
	planIDsDiffer,
	planNamesDiffer,
}

func planIDsDiffer(d *draft) {
	plansDiffer(d, "id", RulePlanID, func(p *draftPlan) string { return p.ID }, func(id string) string { return id })
}

// planNamesDiffer compares names as Cloud Foundry's database does: without white space around them, and without case.
func planNamesDiffer(d *draft) {
	plansDiffer(d, "name", RulePlanName, func(p *draftPlan) string { return p.Name }, func(name string) string {
		return strings.ToLower(strings.TrimSpace(name))
	})
}

// plansDiffer reports each plan whose value in a field has the same key as that of one before it.
func plansDiffer(d *draft, field string, rule Rule, value func(*draftPlan) string, key func(string) string) {
	first := make(map[string]int, len(d.plans))
	for i := range d.plans {
		p := &d.plans[i]
		v := value(p)
		if v == "" {
			continue
		}
		if before, ok := first[key(v)]; ok {
			d.report(place{plan: p.index, field: field}, rule, "plan %s %s is also that of plans[%d]", field, quote(v), before)
			continue
		}
		first[key(v)] = p.index
	}
}

func wrongType(value []byte, want string) (Rule, string) {
	return RuleType, "is " + kindOf(value) + ", not " + want
}

func nonBlank(value []byte) (Rule, string) {
	if value[0] != '"' {
		return wrongType(value, "a string")
	}
	s, ok := text(value)
	if !ok {
		return RuleText, "holds bytes or escapes that stand for no character"
	}
	if strings.TrimSpace(s) == "" {
		return RuleBlank, "is blank"
	}
	return "", ""
}

func boolean(value []byte) (Rule, string) {
	if value[0] != 't' && value[0] != 'f' {
		return wrongType(value, "a boolean")
	}
	return "", ""
}

func object(value []byte) (Rule, string) {
	if value[0] != '{' {
		return wrongType(value, "an object")
	}
	return "", ""
}

func nonEmptyArray(value []byte) (Rule, string) {
	if value[0] != '[' {
		return wrongType(value, "an array")
	}
	for range elements(value) {
		return "", ""
	}
	return RuleNoPlans, "is empty"
}
