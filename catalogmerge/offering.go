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
	problems []Problem
	more     int // problems beyond those listed
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
	d.Raw = raw
	if raw[0] != '{' {
		d.report(place{plan: none}, RuleType, "is %s, not an object", kindOf(raw))
		return d
	}
	if !utf8.Valid(raw) {
		d.report(place{plan: none}, RuleText, "is not UTF-8")
	}
	var store [maxFields][]byte
	values := d.readFields(raw, offeringFields, store[:], place{plan: none})
	d.ID, d.Name = readText(values[offeringID]), readText(values[offeringName])
	d.readable = d.ID != "" && d.Name != ""
	if client := values[offeringClient]; client != nil && client[0] == '{' {
		var store [maxFields][]byte
		fields := d.readFields(client, clientFields, store[:], place{plan: none, object: "dashboard_client"})
		d.DashboardClientID = readText(fields[clientID])
	}
	if plans := values[offeringPlans]; plans != nil && plans[0] == '[' {
		d.readPlans(plans)
	}
	for _, rule := range offeringRules {
		rule(d)
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
	return d
}

func (d *draft) readPlans(plans []byte) {
	index := -1
	for plan := range elements(plans) {
		index++
		if plan[0] != '{' {
			d.readable = false
			d.report(place{plan: index}, RuleType, "is %s, not an object", kindOf(plan))
			continue
		}
		var store [maxFields][]byte
		values := d.readFields(plan, planFields, store[:], place{plan: index})
		id := readText(values[planID])
		p := draftPlan{Plan{ID: id, Name: readText(values[planName]), OwnID: id}, index}
		if p.ID == "" || p.Name == "" {
			d.readable = false
		}
		if p.ID != "" || p.Name != "" {
			d.plans = append(d.plans, p)
		}
	}
}

// readFields finds the values of the given fields in an object and checks each. The result is parallel to fields; nil
// stands for a field that is absent or that the object names twice.
func (d *draft) readFields(from []byte, fields []field, values [][]byte, at place) [][]byte {
	var twice [maxFields]bool
	for key, value := range members(from) {
		name := keyName(key)
		for i := range fields {
			if string(name) != fields[i].name {
				continue
			}
			if values[i] != nil && !twice[i] {
				twice[i] = true
				d.report(at.named(fields[i].name), RuleDuplicateKey, "is there more than once")
			}
			values[i] = value
			break
		}
	}
	for i := range fields {
		f := &fields[i]
		switch value := values[i]; {
		case twice[i]:
			values[i] = nil
		case value == nil:
			if f.required {
				d.report(at.named(f.name), RuleMissing, "is missing")
			}
		case isNull(value) && !f.required && !f.notNull:
		default:
			if rule, detail := f.check(value); rule != "" {
				d.report(at.named(f.name), rule, "%s", detail)
			}
		}
	}
	return values
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

// sound tells whether the offering broke no rule so far.
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
	object string // the object that holds the field, where it is neither the offering nor a plan
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

// report adds a problem. Beyond a limit it only counts.
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

// allProblems returns the draft's problems, with one more that counts those beyond the limit.
func (d *draft) allProblems() []Problem {
	if d.more == 0 {
		return d.problems
	}
	return append(d.problems, d.problem(place{plan: none}, RuleMore, fmt.Sprintf("has %d more problems", d.more)))
}
