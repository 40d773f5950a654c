package catalogmerge

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Plan is one plan of an offering.
type Plan struct {
	ID, Name string
	// OwnID is the backend's own id of the plan; it is the same as ID unless that is mapped.
	OwnID string
}

// Offering is one service offering of a backend.
type Offering struct {
	ID, Name string
	Plans    []Plan
	// DashboardClientID is the id of the offering's dashboard client; empty if it has none. An offering with a
	// dashboard client carries that client's secret.
	DashboardClientID string
	// Raw is the offering's JSON object, byte for byte as the backend sent it.
	Raw json.RawMessage
	// MissingSince is when the backend was first seen without the offering; zero while the backend has it.
	MissingSince time.Time
}

// draft is an offering as read from a backend's answer, sound or not.
type draft struct {
	// Offering holds what could be read. Its plans are filled once the draft turned out sound.
	Offering
	plans []draftPlan
	// readable tells that all ids and names of offering and plans could be read.
	readable bool

	backend  string
	position int    // index in services
	replaces string // id of the offering that this is a version of; its own, where that is readable
	refusal  refusal
	// unchecked tells that only ids and names are wanted.
	unchecked bool
	problems  []Problem // the hard ones
	more      int       // hard problems beyond those listed
	advice    []advice  // the soft ones
}

type draftPlan struct {
	Plan
	index int
}

// maxProblemsPerOffering bounds what one offering can add to the list of problems.
const maxProblemsPerOffering = 10

// readOffering reads and checks one element of services. raw is valid JSON without white space around it.
func readOffering(raw []byte, backend string, position int) *draft {
	d := &draft{backend: backend, position: position}
	d.read(raw)
	return d
}

// parseOffering reads the ids and names of an offering and checks nothing else.
func parseOffering(raw []byte) *draft {
	d := &draft{unchecked: true}
	d.read(raw)
	return d
}

func (d *draft) read(raw []byte) {
	d.Raw = raw
	if raw[0] != '{' {
		d.report(place{plan: none}, RuleType, "is %s, not an object", kindOf(raw))
		return
	}
	if !utf8.Valid(raw) {
		d.report(place{plan: none}, RuleText, "is not UTF-8")
	}
	var store [maxFields][]byte
	values := d.readFields(raw, offeringObject, store[:], place{plan: none})
	d.ID, d.Name = readText(values[offeringID]), readText(values[offeringName])
	d.readable = d.ID != "" && d.Name != ""
	if client := values[offeringClient]; client != nil && client[0] == '{' {
		var store [maxFields][]byte
		fields := d.readFields(client, clientObject, store[:], place{plan: none, object: "dashboard_client"})
		d.DashboardClientID = readText(fields[clientID])
	}
	d.checkMetadata(values[offeringMetadata])
	if plans := values[offeringPlans]; plans != nil && plans[0] == '[' {
		d.readPlans(plans, isTrue(values[offeringBindable]))
	}
	if !d.unchecked {
		for _, rule := range offeringRules {
			rule(d)
		}
	}
	for i := range d.problems {
		d.problems[i].Offering = d.label()
	}
	if d.readable {
		d.Plans = make([]Plan, len(d.plans))
		for i, p := range d.plans {
			d.Plans[i] = p.Plan
		}
	}
}

// readPlans reads the list of plans. bindable tells that the offering is.
func (d *draft) readPlans(plans []byte, bindable bool) {
	index := -1
	var defaults absences
	for plan := range elements(plans) {
		index++
		if plan[0] != '{' {
			d.readable = false
			d.report(place{plan: index}, RuleType, "is %s, not an object", kindOf(plan))
			continue
		}
		var store [maxFields][]byte
		values := d.readFields(plan, planObject, store[:], place{plan: index})
		id := readText(values[planID])
		p := draftPlan{Plan{ID: id, Name: readText(values[planName]), OwnID: id}, index}
		if p.ID == "" || p.Name == "" {
			d.readable = false
		}
		if p.ID != "" || p.Name != "" {
			d.plans = append(d.plans, p)
		}
		defaults.count(values[planFree], values[planBindable])
		d.checkMaintenanceInfo(values[planMaintenanceInfo], index)
		d.checkSchemas(values[planSchemas], index)
	}
	d.adviseOnDefaults(defaults, bindable)
}

// readFields finds the values of the fields that an object's rules know and checks each. The result is parallel to the
// list of fields; nil stands for a field that is absent or that the object names twice.
func (d *draft) readFields(from []byte, rules *objectRules, values [][]byte, at place) [][]byte {
	fields := rules.fields
	var twice [maxFields]bool
	var strays []stray
	for key, value := range members(from) {
		name := keyName(key)
		i := rules.find(name)
		if i == none {
			if i = rules.intended(name); i != none {
				strays = append(strays, stray{i, name, value})
			}
			d.adviseOnPlace(name, rules.misplaced, at)
			continue
		}
		if values[i] != nil && !twice[i] {
			twice[i] = true
			d.report(at.named(fields[i].name), RuleDuplicateKey, "is there more than once")
		}
		values[i] = value
	}
	for _, s := range strays {
		d.judgeStray(s, &fields[s.field], values[s.field] != nil, at)
	}
	for i := range fields {
		f := &fields[i]
		switch value := values[i]; {
		case twice[i]:
			values[i] = nil
		case d.unchecked:
		case value == nil:
			if f.required {
				d.report(at.named(f.name), RuleMissing, "is missing")
			}
		case isNull(value) && !f.required && !f.notNull:
		default:
			d.checkField(f, value, at)
		}
	}
	return values
}

func (d *draft) checkField(f *field, value []byte, at place) {
	if rule, detail := f.check(value); rule != "" {
		d.report(at.named(f.name), rule, "%s", detail)
		return
	}
	if f.hint != nil {
		if rule, detail := f.hint(value); rule != "" {
			d.advise(at.named(f.name), rule, "%s", detail)
		}
	}
}

// readText returns the text of a value that is a readable string; else it returns "".
func readText(value []byte) string {
	if value == nil {
		return ""
	}
	if rule, _ := nonBlank(value); rule != "" {
		return ""
	}
	s, _ := text(value)
	return s
}

// sound tells whether the offering broke no hard rule so far.
func (d *draft) sound() bool { return len(d.problems) == 0 }

// label is the offering's id or else its name.
func (d *draft) label() string {
	if d.ID != "" {
		return d.ID
	}
	return d.Name
}

// place is where in an offering something is: a field of the offering, of one of its plans or of another object in it.
type place struct {
	plan   int    // index in plans, or none
	object string // the path of the object that holds the field, where it is neither the offering nor a plan
	field  string // "" for the offering or plan itself
}

const none = -1

func (p place) named(field string) place {
	p.field = field
	return p
}

// path returns the JSON path of a place, starting with the path of its offering.
func (p place) path(offering string) string {
	path := offering
	for _, step := range []string{p.planStep(), p.object, p.field} {
		switch {
		case step == "":
		case path == "":
			path = step
		default:
			path += "." + step
		}
	}
	return path
}

func (p place) planStep() string {
	if p.plan == none {
		return ""
	}
	return fmt.Sprintf("plans[%d]", p.plan)
}

// report adds a hard problem. Beyond a limit it only counts.
func (d *draft) report(at place, rule Rule, format string, args ...any) {
	if len(d.problems) >= maxProblemsPerOffering {
		d.more++
		return
	}
	d.problems = append(d.problems, d.problem(at, rule, fmt.Sprintf(format, args...)))
}

func (d *draft) problem(at place, rule Rule, detail string) Problem {
	return Problem{
		Backend: d.backend, Offering: d.label(), Path: at.path(fmt.Sprintf("services[%d]", d.position)),
		Rule: rule, Detail: detail, Hard: true,
	}
}

// allProblems returns the draft's problems: the hard ones, with one that counts those beyond the limit, then the soft
// ones.
func (d *draft) allProblems() []Problem {
	problems := d.problems
	if d.more > 0 {
		problems = append(problems, d.problem(place{plan: none}, RuleMore, fmt.Sprintf("has %d more problems", d.more)))
	}
	return append(problems, d.softProblems()...)
}
