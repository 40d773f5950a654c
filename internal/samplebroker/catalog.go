package samplebroker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
)

// catalog is a catalog that keeps to the specification (§ Catalog Management).
type catalog struct {
	content   []byte
	etag      string
	offerings map[string]*offering
}

type offering struct {
	id, name             string
	bindable             bool
	instancesRetrievable bool
	bindingsRetrievable  bool
	allowContextUpdates  bool
	planUpdateable       bool
	requires             []string
	plans                map[string]*plan
}

// plan holds what counts for it in the end: its own word, else its offering's.
type plan struct {
	id, name           string
	offering           *offering
	bindable           bool
	planUpdateable     bool
	bindingRotatable   bool
	maintenanceVersion string
	settings           PlanSettings
}

// plan finds a plan of an offering.
func (c *catalog) plan(serviceID, planID string) (*plan, error) {
	o, found := c.offerings[serviceID]
	if !found {
		return nil, badRequest("The field service_id names no service offering of the catalog.")
	}
	p, found := o.plans[planID]
	if !found {
		return nil, badRequest("The field plan_id names no service plan of this service offering.")
	}
	return p, nil
}

// checkMaintenance compares a maintenance_info.version that a request may hold with the plan's.
func (p *plan) checkMaintenance(version string) error {
	if version != "" && version != p.maintenanceVersion {
		return errMaintenance
	}
	return nil
}

// failing returns what a synchronous operation answers that has to fail.
func (p *plan) failing(kind operationKind) error {
	if !p.settings.fails(kind) {
		return nil
	}
	r := &refusalError{status: http.StatusInternalServerError, Description: sayFailed}
	if kind == kindUpdate || kind == kindDeprovision {
		r.InstanceUsable = new(true)
	}
	if kind == kindUpdate {
		r.UpdateRepeatable = new(false)
	}
	return r
}

var (
	permissions = []string{"syslog_drain", "route_forwarding", "volume_mount"}
	// semanticVersion is the grammar of semver.org, version 2.0.
	semanticVersion = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
		`(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?` +
		`(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$`)
)

// maxSchemaBytes bounds one schema (§ Input Parameters Schema Object).
const maxSchemaBytes = 64 << 10

// catalogReader reads a catalog and collects all that is wrong with it.
type catalogReader struct {
	problems []error
	// offeringNames and planIDs were seen so far.
	offeringNames, planIDs map[string]bool
}

func parseCatalog(content []byte) (*catalog, error) {
	top, err := decodeObject(content)
	if err != nil {
		return nil, err
	}
	r := &catalogReader{offeringNames: make(map[string]bool), planIDs: make(map[string]bool)}
	c := &catalog{content: slices.Clone(content), etag: etagOf(content), offerings: make(map[string]*offering)}
	for i, item := range r.objects("services", top, "services") {
		at := fmt.Sprintf("services[%d]", i)
		o := r.offering(at, item)
		if c.offerings[o.id] != nil && o.id != "" {
			r.problem(at+".id", "another service offering has it")
		}
		c.offerings[o.id] = o
	}
	return c, errors.Join(r.problems...)
}

func (r *catalogReader) offering(at string, source object) *offering {
	o := &offering{
		id:                   r.required(at, source, "id"),
		name:                 r.required(at, source, "name"),
		instancesRetrievable: r.boolean(at, source, "instances_retrievable", false),
		bindingsRetrievable:  r.boolean(at, source, "bindings_retrievable", false),
		allowContextUpdates:  r.boolean(at, source, "allow_context_updates", false),
		planUpdateable:       r.boolean(at, source, "plan_updateable", false),
		bindable:             r.boolean(at, source, "bindable", false),
		requires:             r.texts(at, source, "requires"),
		plans:                make(map[string]*plan),
	}
	r.required(at, source, "description")
	r.texts(at, source, "tags")
	r.member(at, source, "metadata")
	r.member(at, source, "dashboard_client")
	if _, given := source["bindable"]; !given {
		r.problem(at+".bindable", "it is missing")
	}
	if o.name != "" && r.offeringNames[o.name] {
		r.problem(at+".name", "another service offering has it")
	}
	r.offeringNames[o.name] = true
	for _, permission := range o.requires {
		if !slices.Contains(permissions, permission) {
			r.problem(at+".requires", fmt.Sprintf("%q is none of %v", permission, permissions))
		}
	}
	items := r.objects(at+".plans", source, "plans")
	if len(items) == 0 {
		r.problem(at+".plans", "there has to be a service plan")
	}
	names := make(map[string]bool)
	for i, item := range items {
		planAt := fmt.Sprintf("%s.plans[%d]", at, i)
		p := r.plan(planAt, item, o)
		if p.name != "" && names[p.name] {
			r.problem(planAt+".name", "another plan of the service offering has it")
		}
		if p.id != "" && r.planIDs[p.id] {
			r.problem(planAt+".id", "another service plan has it")
		}
		names[p.name], r.planIDs[p.id] = true, true
		o.plans[p.id] = p
	}
	return o
}

func (r *catalogReader) plan(at string, source object, o *offering) *plan {
	p := &plan{
		id:               r.required(at, source, "id"),
		name:             r.required(at, source, "name"),
		offering:         o,
		bindable:         r.boolean(at, source, "bindable", o.bindable),
		planUpdateable:   r.boolean(at, source, "plan_updateable", o.planUpdateable),
		bindingRotatable: r.boolean(at, source, "binding_rotatable", false),
	}
	r.required(at, source, "description")
	r.boolean(at, source, "free", true)
	r.integer(at, source, "maximum_polling_duration")
	if info := r.member(at, source, "maintenance_info"); info != nil {
		p.maintenanceVersion = r.required(at+".maintenance_info", info, "version")
		if p.maintenanceVersion != "" && !semanticVersion.MatchString(p.maintenanceVersion) {
			r.problem(at+".maintenance_info.version", "it is not a semantic version")
		}
	}
	r.schemas(at+".schemas", r.member(at, source, "schemas"))
	if metadata := r.member(at, source, "metadata"); metadata != nil {
		var err error
		if p.settings, err = parsePlanSettings(metadata["samplebroker"]); err != nil {
			r.problem(at+".metadata.samplebroker", err.Error())
		}
	}
	if p.settings.AsyncBindings && !o.bindingsRetrievable {
		r.problem(at+".metadata.samplebroker.async_bindings", "the service offering has to be bindings_retrievable")
	}
	return p
}

// schemas looks at those schemas that the specification names.
func (r *catalogReader) schemas(at string, source object) {
	for _, name := range [][2]string{
		{"service_instance", "create"}, {"service_instance", "update"}, {"service_binding", "create"},
	} {
		place := at + "." + name[0] + "." + name[1]
		action := r.member(at+"."+name[0], r.member(at, source, name[0]), name[1])
		schema := r.member(place, action, "parameters")
		if schema == nil {
			continue
		}
		r.required(place+".parameters", schema, "$schema")
		if len(action["parameters"]) > maxSchemaBytes {
			r.problem(place+".parameters", "it is larger than 64 kB")
		}
	}
}

func (r *catalogReader) problem(at, what string) {
	r.problems = append(r.problems, fmt.Errorf("%s: %s", at, what))
}

// decode reads a field of a known type and tells whether it was there.
func (r *catalogReader) decode(at string, source object, name string, into any, kind string) bool {
	raw, given := source[name]
	if !given {
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil || isNull(raw) {
		r.problem(at+"."+name, "it has to be "+kind)
		return false
	}
	return true
}

func (r *catalogReader) required(at string, source object, name string) (value string) {
	if _, given := source[name]; !given {
		r.problem(at+"."+name, "it is missing")
	}
	if r.decode(at, source, name, &value, "a string") && value == "" {
		r.problem(at+"."+name, "it is empty")
	}
	return value
}

func (r *catalogReader) boolean(at string, source object, name string, absent bool) bool {
	value := absent
	r.decode(at, source, name, &value, "true or false")
	return value
}

func (r *catalogReader) integer(at string, source object, name string) {
	var value int64
	r.decode(at, source, name, &value, "a whole number")
}

func (r *catalogReader) texts(at string, source object, name string) (values []string) {
	r.decode(at, source, name, &values, "a list of strings")
	return values
}

func (r *catalogReader) member(at string, source object, name string) (value object) {
	r.decode(at, source, name, &value, "an object")
	return value
}

func (r *catalogReader) objects(at string, source object, name string) (values []object) {
	raw, given := source[name]
	err := json.Unmarshal(raw, &values)
	if !given || err != nil || values == nil || slices.ContainsFunc(values, isNil) {
		r.problem(at, "it has to be a list of objects")
		return nil
	}
	return values
}

func isNil(o object) bool { return o == nil }
