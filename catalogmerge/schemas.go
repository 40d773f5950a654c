package catalogmerge

var (
	schemasObject = newObjectRules([]field{
		schemasInstance: {name: "service_instance", structured: true, check: object},
		schemasBinding:  {name: "service_binding", structured: true, check: object},
	}, nil)
	instanceSchemas = newObjectRules([]field{
		{name: "create", structured: true, check: object},
		{name: "update", structured: true, check: object},
	}, nil)
	bindingSchemas = newObjectRules([]field{
		{name: "create", structured: true, check: object},
	}, nil)
	parametersObject = newObjectRules([]field{
		{name: "parameters", structured: true, check: opaque},
	}, nil)
)

const (
	schemasInstance = iota
	schemasBinding
)

// checkSchemas checks the schemas of a plan: those for the parameters of an instance, when it is created and updated,
// and of a binding.
func (d *draft) checkSchemas(value []byte, plan int) {
	if d.unchecked || value == nil || value[0] != '{' {
		return
	}
	var store [maxFields][]byte
	of := d.readFields(value, schemasObject, store[:], place{plan: plan, object: "schemas"})
	d.checkOperations(of[schemasInstance], instanceSchemas, place{plan: plan, object: "schemas.service_instance"})
	d.checkOperations(of[schemasBinding], bindingSchemas, place{plan: plan, object: "schemas.service_binding"})
}

func (d *draft) checkOperations(value []byte, rules *objectRules, at place) {
	if value == nil || value[0] != '{' {
		return
	}
	var store [maxFields][]byte
	operations := d.readFields(value, rules, store[:], at)
	for i := range rules.fields {
		operation := operations[i]
		if operation == nil || operation[0] != '{' {
			continue
		}
		inner := place{plan: at.plan, object: at.object + "." + rules.fields[i].name}
		var store [maxFields][]byte
		schema := d.readFields(operation, parametersObject, store[:], inner)[0]
		if schema == nil || schema[0] != '{' {
			continue
		}
		for _, f := range schemaFindings(schema) {
			if f.hard {
				d.report(inner.named("parameters"), f.rule, "%s", f.detail)
			} else {
				d.advise(inner.named("parameters"), f.rule, "%s", f.detail)
			}
		}
	}
}
