package catalogmerge_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file reads a catalog as the platforms do, from their rules and with nothing of the package's own: no shared
// helper, no shared constant, no shared library. Each function returns why its platform would turn the whole catalog
// down, or nil.

// acceptedByCloudFoundry reads a catalog as the Cloud Controller does when a broker is registered or updated. That it
// wants at least one offering is not counted: a gateway whose brokers have none has nothing else to say.
func acceptedByCloudFoundry(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var catalog map[string]any
	if err := decoder.Decode(&catalog); err != nil {
		return err
	}
	services, ok := catalog["services"].([]any)
	if !ok {
		return errors.New("services are no list")
	}
	cf := &cloudController{
		offerings: make(map[any]bool), names: make(map[any]bool), plans: make(map[any]bool), clients: make(map[any]bool),
	}
	for i, s := range services {
		service, ok := s.(map[string]any)
		if !ok {
			return fmt.Errorf("service %d is no hash", i)
		}
		cf.service(service)
	}
	return errors.Join(cf.errors...)
}

type cloudController struct {
	offerings, names, plans, clients map[any]bool
	errors                           []error
}

func (cf *cloudController) add(format string, args ...any) {
	cf.errors = append(cf.errors, fmt.Errorf(format, args...))
}

// isTruthy is what Ruby's if asks.
func isTruthy(v any) bool { return v != nil && v != false }

func (cf *cloudController) presentString(v any, what string) {
	s, ok := v.(string)
	switch {
	case v != nil && !ok:
		cf.add("%s must be a string, but has value %v", what, v)
	case strings.IndexFunc(s, func(r rune) bool { return !unicode.IsSpace(r) }) < 0:
		cf.add("%s is required", what)
	}
}

func (cf *cloudController) describedBy(v any, what string) {
	cf.presentString(v, what)
	if s, ok := v.(string); ok && utf8.RuneCountInString(s) > 10000 {
		cf.add("%s may not have more than 10000 characters", what)
	}
}

func (cf *cloudController) boolOrNil(v any, what string) {
	if _, ok := v.(bool); !ok && v != nil {
		cf.add("%s must be a boolean, but has value %v", what, v)
	}
}

func (cf *cloudController) hash(v any, what string) map[string]any {
	h, ok := v.(map[string]any)
	if !ok && isTruthy(v) {
		cf.add("%s must be a hash, but has value %v", what, v)
	}
	return h
}

// strings returns the members of a list; a field that is absent is an empty list, but null is none.
func (cf *cloudController) strings(of map[string]any, field string) []string {
	v, ok := of[field]
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	result := make([]string, 0, len(list))
	for _, e := range list {
		s, isString := e.(string)
		ok = ok && isString
		result = append(result, s)
	}
	if !ok {
		cf.add("%s must be an array of strings, but has value %v", field, v)
	}
	return result
}

func (cf *cloudController) unique(seen map[any]bool, v any, what string) {
	if v == nil {
		return
	}
	key := fmt.Sprintf("%T %v", v, v)
	if seen[key] {
		cf.add("%s %v is there twice", what, v)
	}
	seen[key] = true
}

func (cf *cloudController) service(s map[string]any) {
	cf.presentString(s["id"], "Service id")
	cf.presentString(s["name"], "Service name")
	cf.describedBy(s["description"], "Service description")
	cf.boolOrNil(s["bindable"], "bindable")
	if s["bindable"] == nil {
		cf.add("bindable is required")
	}
	for _, field := range []string{"plan_updateable", "bindings_retrievable", "instances_retrievable", "allow_context_updates"} {
		cf.boolOrNil(s[field], field)
	}
	if utf8.RuneCountInString(strings.Join(cf.strings(s, "tags"), "")) > 2048 {
		cf.add("Tags must be 2048 characters or less")
	}
	for _, permission := range cf.strings(s, "requires") {
		if permission != "syslog_drain" && permission != "route_forwarding" && permission != "volume_mount" {
			cf.add("requires contains unsupported value %q", permission)
		}
	}
	cf.boolOrNil(cf.hash(s["metadata"], "Service metadata")["shareable"], "shareable")
	if client := s["dashboard_client"]; isTruthy(client) {
		c := cf.hash(client, "dashboard client")
		cf.presentString(c["id"], "dashboard client id")
		cf.presentString(c["secret"], "dashboard client secret")
		cf.presentString(c["redirect_uri"], "dashboard client redirect_uri")
		cf.unique(cf.clients, c["id"], "dashboard client id")
	}
	cf.unique(cf.offerings, s["id"], "Service id")
	cf.unique(cf.names, s["name"], "Service name")
	plans, ok := s["plans"].([]any)
	if !ok || len(plans) == 0 {
		cf.add("At least one plan is required")
	}
	names := make(map[any]bool)
	for _, p := range plans {
		plan, ok := p.(map[string]any)
		if !ok {
			cf.add("plans must be an array of hashes")
			continue
		}
		cf.plan(plan)
		// The database compares the names of plans without case, after white space was stripped.
		if name, ok := plan["name"].(string); ok {
			cf.unique(names, strings.ToLower(strings.TrimSpace(name)), "plan name")
		}
	}
}

// integers are numbers that Ruby reads as Integer.
var integers = regexp.MustCompile(`^-?[0-9]+$`)

// versions is the pattern of Semantic Versioning 2.0.
var versions = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
	`(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?` +
	`(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$`)

func (cf *cloudController) plan(p map[string]any) {
	cf.presentString(p["id"], "Plan id")
	cf.presentString(p["name"], "Plan name")
	cf.describedBy(p["description"], "Plan description")
	cf.unique(cf.plans, p["id"], "Plan id")
	cf.hash(p["metadata"], "Plan metadata")
	for _, field := range []string{"free", "bindable", "plan_updateable"} {
		cf.boolOrNil(p[field], field)
	}
	if v := p["maximum_polling_duration"]; isTruthy(v) {
		n, _ := v.(json.Number)
		seconds, ok := new(big.Int).SetString(n.String(), 10)
		if !integers.MatchString(n.String()) || !ok {
			cf.add("Maximum polling duration must be an integer, but has value %v", v)
		} else if !seconds.IsInt64() || seconds.Int64() < math.MinInt32 || seconds.Int64() > math.MaxInt32 {
			cf.add("%v does not fit into the column", v)
		}
	}
	if v := p["maintenance_info"]; isTruthy(v) {
		info := cf.hash(v, "Maintenance info")
		if version, ok := info["version"].(string); !ok || !versions.MatchString(version) {
			cf.add("Maintenance info version must be a Semantic Version, but has value %v", info["version"])
		}
		if d := info["description"]; d != nil {
			if _, ok := d.(string); !ok {
				cf.add("Maintenance info description must be a string, but has value %v", d)
			}
		}
		for key := range info {
			if key != "version" && key != "description" {
				cf.add("Maintenance info contains invalid key: %s", key)
			}
		}
		if railsJSONLength(info) > 2000 {
			cf.add("Maintenance info must serialize to 2000 characters or fewer")
		}
	}
	schemas := cf.hash(p["schemas"], "Plan schemas")
	instance := cf.hash(schemas["service_instance"], "service_instance")
	binding := cf.hash(schemas["service_binding"], "service_binding")
	for _, operation := range []any{instance["create"], instance["update"], binding["create"]} {
		parameters := cf.hash(operation, "operation")["parameters"]
		if schema := cf.hash(parameters, "parameters"); schema != nil {
			cf.schema(schema)
		}
	}
}

// railsJSONLength returns how many characters Rails makes of a value: like encoding/json, it escapes what means
// something in HTML.
func railsJSONLength(v any) int {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return utf8.RuneCount(encoded)
}

func (cf *cloudController) schema(schema map[string]any) {
	if railsJSONLength(schema) > 65536 {
		cf.add("Must not be larger than 64KB")
		return
	}
	if !isTruthy(schema["$schema"]) {
		cf.add("Schema must have $schema key but was not present")
	}
	if err := draft4Shape(schema, "#"); err != nil {
		cf.add("Must conform to JSON Schema Draft 04: %w", err)
		return
	}
	cf.schemaTree(schema, namesParts(schema))
	if err := (&trial{root: schema, seen: make(map[string]bool)}).try(schema, "#"); err != nil {
		cf.add("%w", err)
	}
}

// namesParts tells whether a part of a schema has an id. References may lead to such a part, and whether the gem finds
// it depends on what it read before; they are not judged here.
func namesParts(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["id"].(string); ok {
			return true
		}
		for _, inner := range v {
			if namesParts(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, namesParts)
	}
	return false
}

var (
	knownDrafts = regexp.MustCompile(`^http://json-schema\.org/draft-0([1-4]|6)/(hyper-)?schema(#|$)`)
	firstDraft4 = regexp.MustCompile(`^http://json-schema\.org/draft-04/schema(#|$)`)
)

// schemaTree goes where the json-schema gem goes when it builds a schema.
func (cf *cloudController) schemaTree(v any, named bool) {
	schema, ok := v.(map[string]any)
	if !ok {
		return
	}
	if draft := schema["$schema"]; isTruthy(draft) {
		if s, ok := draft.(string); !ok || !knownDrafts.MatchString(s) {
			cf.add("Custom meta schemas are not supported: %v", draft)
		}
	}
	refs := []any{schema["$ref"]}
	if s, ok := schema["extends"].(string); ok {
		refs = append(refs, s)
	}
	for _, ref := range refs {
		s, isString := ref.(string)
		switch {
		case !isTruthy(ref) || isString && (s == "" || s[0] == '#'):
		case !isString:
			cf.add("a reference is %v", ref)
		case !named && !firstDraft4.MatchString(s):
			cf.add("No external references are allowed: %q", s)
		}
	}
	for _, key := range []string{"definitions", "properties", "patternProperties"} {
		inner, _ := schema[key].(map[string]any)
		for _, s := range inner {
			cf.schemaTree(s, named)
		}
	}
	for _, key := range []string{
		"additionalProperties", "additionalItems", "extends", "allOf", "anyOf", "oneOf", "not", "items", "type", "disallow",
	} {
		if list, ok := schema[key].([]any); ok {
			for _, s := range list {
				cf.schemaTree(s, named)
			}
			continue
		}
		cf.schemaTree(schema[key], named)
	}
}

// trial tries a schema on an empty object, as far as that can fail for reasons other than the object.
type trial struct {
	root any
	seen map[string]bool // false while on the way
}

func (t *trial) try(v any, at string) error {
	if done, ok := t.seen[at]; ok {
		if !done {
			return fmt.Errorf("stack level too deep at %s", at)
		}
		return nil
	}
	schema, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no schema", at)
	}
	t.seen[at] = false
	if ref, ok := schema["$ref"].(string); ok && (ref == "#" || strings.HasPrefix(ref, "#/")) {
		target, place := t.root, "#"
		for _, step := range strings.Split(ref, "/")[1:] {
			if step == "" {
				continue
			}
			if decoded, err := url.PathUnescape(step); err == nil {
				step = decoded
			}
			step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
			place += "/" + strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1")
			switch inner := target.(type) {
			case map[string]any:
				target = inner[step]
			case []any:
				i, err := strconv.Atoi(step)
				if err != nil || i < 0 || i >= len(inner) {
					return fmt.Errorf("the fragment %q does not exist", ref)
				}
				target = inner[i]
			default:
				target = nil
			}
			if target == nil {
				return fmt.Errorf("the fragment %q does not exist", ref)
			}
		}
		if err := t.try(target, place); err != nil {
			return err
		}
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf", "not", "extends"} {
		if inner, ok := schema[key].(map[string]any); ok {
			if err := t.try(inner, at+"/"+key); err != nil {
				return err
			}
		}
		list, _ := schema[key].([]any)
		for i, inner := range list {
			if err := t.try(inner, fmt.Sprintf("%s/%s/%d", at, key, i)); err != nil {
				return err
			}
		}
	}
	t.seen[at] = true
	return nil
}

// acceptedByServiceCatalog reads a catalog as Kubernetes' service-catalog does. Names and ids of more than 63 bytes,
// which it refuses, are not counted: the rules call them soft.
func acceptedByServiceCatalog(body []byte) error {
	type inputParameters struct {
		Parameters any `json:"parameters"`
	}
	type plan struct {
		ID          string         `json:"id"`
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Free        *bool          `json:"free"`
		Bindable    *bool          `json:"bindable"`
		Metadata    map[string]any `json:"metadata"`
		Schemas     *struct {
			ServiceInstance *struct {
				Create *inputParameters `json:"create"`
				Update *inputParameters `json:"update"`
			} `json:"service_instance"`
			ServiceBinding *struct {
				Create *inputParameters `json:"create"`
			} `json:"service_binding"`
		} `json:"schemas"`
	}
	type service struct {
		ID                   string   `json:"id"`
		Name                 string   `json:"name"`
		Description          string   `json:"description"`
		Tags                 []string `json:"tags"`
		Requires             []string `json:"requires"`
		Bindable             bool     `json:"bindable"`
		InstancesRetrievable bool     `json:"instances_retrievable"`
		BindingsRetrievable  bool     `json:"bindings_retrievable"`
		PlanUpdatable        *bool    `json:"plan_updateable"`
		Plans                []plan   `json:"plans"`
		DashboardClient      *struct {
			ID          string `json:"id"`
			Secret      string `json:"secret"`
			RedirectURI string `json:"redirect_uri"`
		} `json:"dashboard_client"`
		Metadata map[string]any `json:"metadata"`
	}
	var catalog struct {
		Services []service `json:"services"`
	}
	if err := json.Unmarshal(body, &catalog); err != nil {
		return err
	}
	classes, plans := make(map[string]bool), make(map[string]bool)
	for _, s := range catalog.Services {
		switch {
		case s.ID == "" || s.Name == "" || s.Description == "":
			return fmt.Errorf("class %q lacks something", s.ID)
		case classes[s.ID]:
			return fmt.Errorf("class %q exists", s.ID)
		case len(s.Plans) == 0:
			return fmt.Errorf("class %q must have at least one plan", s.ID)
		}
		classes[s.ID] = true
		for _, p := range s.Plans {
			switch {
			case p.ID == "" || p.Name == "" || p.Description == "":
				return fmt.Errorf("plan %q lacks something", p.ID)
			case plans[p.ID]:
				return fmt.Errorf("plan %q exists", p.ID)
			}
			plans[p.ID] = true
		}
	}
	return nil
}

// acceptedByKorifi reads a catalog as Korifi does. A documentationUrl that is no string, at which it stops, is not
// counted: the rules call it soft.
func acceptedByKorifi(body []byte) error {
	type inputParameters struct {
		Parameters map[string]any `json:"parameters"`
	}
	type plan struct {
		ID               string         `json:"id"`
		Name             string         `json:"name"`
		Description      string         `json:"description"`
		Metadata         map[string]any `json:"metadata"`
		Free             bool           `json:"free"`
		Bindable         bool           `json:"bindable"`
		BindingRotatable bool           `json:"binding_rotatable"`
		PlanUpdateable   bool           `json:"plan_updateable"`
		Schemas          struct {
			ServiceInstance struct {
				Create inputParameters `json:"create"`
				Update inputParameters `json:"update"`
			} `json:"service_instance"`
			ServiceBinding struct {
				Create inputParameters `json:"create"`
			} `json:"service_binding"`
		} `json:"schemas"`
		MaintenanceInfo struct {
			Version string `json:"version"`
		} `json:"maintenance_info"`
	}
	type service struct {
		ID                   string         `json:"id"`
		Name                 string         `json:"name"`
		Description          string         `json:"description"`
		Tags                 []string       `json:"tags"`
		Requires             []string       `json:"requires"`
		Metadata             map[string]any `json:"metadata"`
		PlanUpdateable       bool           `json:"plan_updateable"`
		Bindable             bool           `json:"bindable"`
		InstancesRetrievable bool           `json:"instances_retrievable"`
		BindingsRetrievable  bool           `json:"bindings_retrievable"`
		AllowContextUpdates  bool           `json:"allow_context_updates"`
		DashboardClient      struct {
			ID          string `json:"id"`
			Secret      string `json:"secret"`
			RedirectURI string `json:"redirect_url"`
		} `json:"dashboard_client"`
		Plans []plan `json:"plans"`
	}
	var catalog struct {
		Services []service `json:"services"`
	}
	return json.Unmarshal(body, &catalog)
}
