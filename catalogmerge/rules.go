package catalogmerge

import "strings"

// field is one field of an object that the rules know. All others pass unseen.
type field struct {
	name     string
	required bool
	// notNull tells that null is as wrong as any other type although the field is optional. Cloud Foundry takes null
	// for an absent field everywhere but in the lists of strings.
	notNull bool
	check   func(value []byte) (Rule, string)
}

// The fields of each object. The order is that of the constants below, by which their values are found.
var (
	offeringFields = []field{
		offeringID:       {name: "id", required: true, check: nonBlank},
		offeringName:     {name: "name", required: true, check: nonBlank},
		offeringPlans:    {name: "plans", required: true, check: nonEmptyArray},
		offeringClient:   {name: "dashboard_client", check: object},
		offeringBindable: {name: "bindable", required: true, check: boolean},
		5:                {name: "description", required: true, check: nonBlank},
		6:                {name: "tags", notNull: true, check: stringArray},
		7:                {name: "requires", notNull: true, check: stringArray},
		8:                {name: "metadata", check: object},
		9:                {name: "plan_updateable", check: boolean},
		10:               {name: "instances_retrievable", check: boolean},
		11:               {name: "bindings_retrievable", check: boolean},
		12:               {name: "allow_context_updates", check: boolean},
	}
	planFields = []field{
		planID:   {name: "id", required: true, check: nonBlank},
		planName: {name: "name", required: true, check: nonBlank},
		2:        {name: "description", required: true, check: nonBlank},
		3:        {name: "free", check: boolean},
		4:        {name: "bindable", check: boolean},
		5:        {name: "plan_updateable", check: boolean},
		6:        {name: "binding_rotatable", check: boolean},
		7:        {name: "metadata", check: object},
	}
	clientFields = []field{
		clientID: {name: "id", required: true, check: nonBlank},
		1:        {name: "secret", required: true, check: nonBlank},
		2:        {name: "redirect_uri", required: true, check: nonBlank},
	}
)

const (
	offeringID = iota
	offeringName
	offeringPlans
	offeringClient
	offeringBindable
)

const (
	planID = iota
	planName
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
	plansDiffer(d, "id", RulePlanID, func(p *draftPlan) string { return p.ID })
}

func planNamesDiffer(d *draft) {
	plansDiffer(d, "name", RulePlanName, func(p *draftPlan) string { return p.Name })
}

// plansDiffer reports each plan that has the same value in a field as one before it.
func plansDiffer(d *draft, field string, rule Rule, value func(*draftPlan) string) {
	first := make(map[string]int, len(d.plans))
	for i := range d.plans {
		p := &d.plans[i]
		v := value(p)
		if v == "" {
			continue
		}
		if before, ok := first[v]; ok {
			d.report(place{plan: p.index, field: field}, rule, "plan %s %s is also that of plans[%d]", field, quote(v), before)
			continue
		}
		first[v] = p.index
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

func stringArray(value []byte) (Rule, string) {
	if value[0] != '[' {
		return wrongType(value, "an array of strings")
	}
	for e := range elements(value) {
		if e[0] != '"' {
			return RuleType, "holds " + kindOf(e) + " among its strings"
		}
	}
	return "", ""
}
