package answers_test

import "strings"

// The examples are calls that IBM Cloud documents for its service brokers, in the form that curl sends them.

// exampleInstance is the instance of most examples: a CRN whose colons and slash are escaped.
const exampleInstance = "crn%3Av1%3Abluemix%3Apublic%3Atestjavaresourceservicebrokername%3Aus-south%3Aa%2F" +
	"499b176abb3e1c9727df87ae48b27c7b%3A7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7%3A%3A"

const exampleBinding = "crn%3Av1%3Abluemix%3Apublic%3Atestjavaresourceservicebrokername%3Aus-south%3Aa%2F" +
	"499b176abb3e1c9727df87ae48b27c7b%3A7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7%3Aresource-key%3A" +
	"92dba2e9-86e7-4bb6-8e9f-b14294a41cbd"

// composeInstance has no colons at its end.
const composeInstance = "crn%3Av1%3Abluemix%3Apublic%3Acompose-redis%3Aus-south%3Aa%2F" +
	"46aa677e-e83f-4d17-a2b6-5b752564477c%3A416d769b-682d-4833-8bd7-5ef8778e5b52"

// templateInstance is a template that nobody filled in.
const templateInstance = "%7Binstance_id%7D"

const (
	exampleService = "cb55391b-3416-4943-a6a6-a541778c1924"
	examplePlan    = "e62e2c19-0c3b-41e3-b8b3-c71762ecd489"
	exampleNewPlan = "e1031579-4b42-4169-b7cf-f7793c616fdc"
	composeService = "0bc9d744-6f8c-4821-9648-2278bf6925bb"
	composePlan    = "ecc19311-aba2-49f7-8198-1e450c8460d4"
)

// The users of the examples, as user:password.
const (
	exampleUser  = "TestServiceBrokerUser:TestServiceBrokerPassword"
	composeUser  = "user:password"
	templateUser = "template:REPLACE_BASIC_AUTH"
)

// The identities of the examples, and who they are for.
const (
	userAndSubject = "ibmcloud eyJpYW1faWQiOiJJQk1pZC0zMTAwMDJNNEpGIiwic3ViIjoi" +
		"Ymx1ZW1peF91aV9zb3Rlc3RAbWFpbGluYXRvci5jb20ifQ=="
	userAlone = "ibmcloud eyJpYW1faWQiOiJJQk1pZC01MEdOUjcxN1lFIn0="
	bareUser  = "ibmcloud aWJtaWQtNDU2MzQ1WA=="
)

// example is a call and what a broker answers to it.
type example struct {
	name, method, target string
	// header is the header as lines; credentials, host, length and connection come with them.
	header []string
	user   string
	// lowerCase writes the scheme of the credentials in lower case.
	lowerCase bool
	body      string
	// answer is the broker's: a status line, lines of a header, and a body.
	status, answerHeader, answer string
	// audited is the user in the audit log.
	audited string
}

const exampleContext = `\"context\":{\"account_id\":\"499b176abb3e1c9727df87ae48b27c7b\",\"crn\":` +
	`\"crn:v1:bluemix:public:testjavaresourceservicebrokername:us-south:a\/499b176abb3e1c9727df87ae48b27c7b:` +
	`7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7::\",\"platform\":\"ibmcloud\",\"resource_group_crn\":` +
	`\"crn:v1:bluemix:public:resource-controller::a\/499b176abb3e1c9727df87ae48b27c7b::resource-group:` +
	`2a5f74056b254efbaab5e9e28a711141\",\"target_crn\":\"crn:v1:bluemix:public:resource-catalog::a\/` +
	`e97a8c01ac694e308ef3ad7795c7cdb3::deployment:e62e2c19-0c3b-41e3-b8b3-c71762ecd489%3Aus-south38399\"}`

// shell is what a text in double quotes is to a shell: a backslash before a quote escapes it, others stay.
func shell(text string) string { return strings.ReplaceAll(text, `\"`, `"`) }

var (
	acceptJSON  = "Accept:application/json"
	sendJSON    = "Content-Type:application/json"
	version212  = "X-Broker-Api-Version:2.12"
	onBehalf    = "X-Broker-Api-Originating-Identity:" + userAndSubject
	instanceIDs = "plan_id=" + examplePlan + "&service_id=" + exampleService
)

// examples are in an order in which a platform might make the calls.
var examples = []example{
	{
		name: "provision", method: "PUT", target: "/v2/service_instances/" + exampleInstance + "?accepts_incomplete=true",
		header: []string{acceptJSON, sendJSON, version212, onBehalf}, user: exampleUser,
		body: shell(`{` + exampleContext + `, \"parameters\":{\"parameter1\":1, \"parameter2\":\"value\"}, \"plan_id\":\"` +
			examplePlan + `\", \"service_id\":\"` + exampleService + `\"}`),
		status: "202 Accepted", answerHeader: jsonType + "\nRetry-After: 10",
		answer: "{\n    \"dashboard_url\" : \"http://www.ibm.com\",\n    \"description\"   : \"On its way.\",\n" +
			"    \"operation\"     : \"Provision_45\"\n}\n",
		audited: "IBMid-310002M4JF",
	},
	{
		name: "last operation", method: "GET",
		target: "/v2/service_instances/" + exampleInstance + "/last_operation?operation=Provision_45&" + instanceIDs,
		header: []string{acceptJSON, version212}, user: exampleUser,
		status: "200 OK", answerHeader: jsonType,
		answer: `{ "state" : "succeeded", "poll_after": 1700000000, "description":"\u2713" }`,
	},
	{
		name: "bind", method: "PUT",
		target: "/v2/service_instances/" + exampleInstance + "/service_bindings/" + exampleBinding,
		header: []string{acceptJSON, sendJSON, version212, onBehalf}, user: exampleUser, body: bindBody,
		status: "201 Created", answerHeader: "Content-Type: application/json;charset=UTF-8",
		answer:  `{"credentials":{"url":"http://10.0.1.2:12345","port":12345678901234567890,"password":"<&>"}}`,
		audited: "IBMid-310002M4JF",
	},
	{
		name: "bind with a slash behind", method: "PUT",
		target: "/v2/service_instances/" + exampleInstance + "/service_bindings/" + exampleBinding + "/",
		header: []string{acceptJSON, sendJSON, version212, onBehalf}, user: exampleUser, body: bindBody,
		status: "200 OK", answerHeader: jsonType, answer: `{"credentials":{}}`, audited: "IBMid-310002M4JF",
	},
	{
		name: "update", method: "PATCH", target: "/v2/service_instances/" + exampleInstance + "?accepts_incomplete=true",
		header: []string{acceptJSON, sendJSON, version212, "X-Broker-Api-Originating-Identity:" + userAlone},
		user:   exampleUser,
		body: shell(`{` + exampleContext + `, \"parameters\":{\"parameter1\":1, \"parameter2\":\"value\"}, \"plan_id\":\"` +
			exampleNewPlan + `\", \"previous_values\":{\"plan_id\":\"` + examplePlan + `\", \"service_id\":\"` + exampleService +
			`\"}, \"service_id\":\"` + exampleService + `\"}`),
		status: "202 Accepted", answerHeader: jsonType,
		answer: `{"description" : "Soon.", "operation" : "Update_45"}`, audited: "IBMid-50GNR717YE",
	},
	{
		name: "enable", method: "PUT", target: "/bluemix_v1/service_instances/" + exampleInstance,
		header: []string{sendJSON}, user: exampleUser, status: "204 No Content",
		body: shell(`{\"enabled\":true, \"initiator_id\":\"some id\", \"reason_code\":\"some reason code\"}`),
	},
	{
		name: "state", method: "GET", target: "/bluemix_v1/service_instances/" + exampleInstance,
		header: []string{acceptJSON}, user: exampleUser, status: "200 OK", answerHeader: jsonType,
		answer: `{"enabled"    : true, "active" : false, "last_active" : 1234567890000}`,
	},
	{
		name: "unbind", method: "DELETE",
		target: "/v2/service_instances/" + exampleInstance + "/service_bindings/" + exampleBinding + "?" + instanceIDs,
		header: []string{acceptJSON, version212, onBehalf}, user: exampleUser,
		status: "200 OK", answerHeader: jsonType, answer: "{\n}", audited: "IBMid-310002M4JF",
	},
	{
		name: "unprovision", method: "DELETE",
		target: "/v2/service_instances/" + exampleInstance + "?accepts_incomplete=true&" + instanceIDs,
		header: []string{acceptJSON, version212, onBehalf}, user: exampleUser,
		status: "202 Accepted", answerHeader: jsonType,
		answer: `{"operation"   : "Unprovision_45"}`, audited: "IBMid-310002M4JF",
	},
	{
		name: "HTTP sample", method: "PUT", target: "/v2/service_instances/" + composeInstance + "?accepts_incomplete=true",
		header: []string{"X-Broker-Api-Version: 2.12", "X-Broker-API-Originating-Identity: " + bareUser},
		user:   composeUser, lowerCase: true,
		body: "{\n  \"service_id\": \"" + composeService + "\",  \n  \"plan_id\": \"" + composePlan + "\", \n" +
			"  \"context\": {\n" +
			"    \"platform\": \"ibmcloud\",\n    \"account_id\": \"003e9bc3993aec710d30a5a719e57a80\"\n  },\n" +
			"  \"parameters\": {\n    \"location\": \"us-south\",\n    \"optional-param\":\"a value\"\n  }\n}\n",
		status: "201 Created", answerHeader: jsonType, answer: "{}", audited: "ibmid-456345X",
	},
	{
		name: "template made an instance", method: "PUT", target: "/v2/service_instances/" + templateInstance,
		header: []string{"content-type: application/json"}, user: templateUser,
		body: `{"service_id":"` + composeService + `","plan_id":"` + composePlan + `"}`, status: "201 Created", answer: "{}",
	},
	{
		name: "template of a state", method: "GET", target: "/bluemix_v1/service_instances/" + templateInstance,
		header: []string{"content-type: application/json"}, user: templateUser, status: "200 OK", answerHeader: jsonType,
		answer: "{\n  \"active\": true,\n  \"enabled\": true,\n  \"last_active\": 1656523962\n}",
	},
	{
		name: "template of an enablement", method: "PUT", target: "/bluemix_v1/service_instances/" + templateInstance,
		header: []string{"content-type: application/json"}, user: templateUser,
		body:   `{"enabled":true,"initiator_id":"IBMid-5500093BHN","reason_code":"IBMCLOUD_RECLAMATION_SCHEDULE"}`,
		status: "410 Gone", answerHeader: jsonType, answer: "{}",
	},
	{
		name: "nobody's enablement", method: "PUT", target: "/bluemix_v1/service_instances/" + templateInstance,
		header: []string{"content-type: application/json"}, user: templateUser,
		body:   `{"enabled":false,"initiator_id":"null","reason_code":"BMX_ACCT_SUSPEND"}`,
		status: "200 OK", answerHeader: jsonType, answer: `{"active":false,"enabled":false,"last_active":1656523962}`,
	},
	{
		name: "headers that some brokers need", method: "GET", target: "/bluemix_v1/service_instances/" + templateInstance,
		header: []string{
			"X-Bluemix-Region: us-south", "x-custom:  two words ", "X-Custom: again", "Transaction-Id: t", "X-Empty:",
			"Accept-Encoding: br;q=0.1", "Accept-Language: de", "Cache-Control: no-cache",
		},
		user: templateUser, status: "404 Not Found", answerHeader: "content-type: application/json\nX-Custom: a\nX-Custom: b",
		answer: `{"description":"Gone fishing."}`,
	},
}

var bindBody = shell(`{\"bind_resource\":{\"app_guid\":\"d3f16a48-8bd1-4aab-a7de-e2a22ad38292\"}, \"parameters\":` +
	`{\"parameter1\":1, \"parameter2\":\"value\"}, \"plan_id\":\"` + examplePlan +
	`\", \"service_id\":\"` + exampleService + `\"}`)

// exampleOffering is the offering of a documented catalog.
const exampleOffering = `{
      "bindable": true,
      "description": "A test of a service broker in Node",
      "id": "service-guid-here",
      "metadata": {
        "displayName": "Test",
        "documentationUrl": "http://10.0.1.2/documentation.html",
        "imageUrl": "http://10.0.1.2/servicesample.png",
        "providerDisplayName": "Some Company"
      },
      "name": "testnoderesourceservicebrokername",
      "plan_updateable": true,
      "tags": [
        "lite",
        "tag1a"
      ],
      "plans": [
        {
          "description": "The plan of the test",
          "free": true,
          "id": "plan-guid-here",
          "metadata": {
            "bullets": [
              "Test bullet 1"
            ],
            "displayName": "Lite"
          },
          "name": "lite"
        }
      ]
    }`
