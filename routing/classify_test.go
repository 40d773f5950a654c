package routing_test

import (
	"fmt"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

type classifyRow struct {
	name   string
	answer routing.Answer
	want   routing.Class
}

// status is an answer whose body is a JSON object.
func status(code int) routing.Answer {
	return routing.Answer{Status: code, Delivered: true, Object: true}
}

func withError(code int, text string) routing.Answer {
	answer := status(code)
	answer.Error = text
	return answer
}

// text is an answer whose body is no JSON object.
func text(code int) routing.Answer { return routing.Answer{Status: code, Delivered: true} }

func testClassify(t *testing.T, call *routing.Call, rows []classifyRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := routing.Classify(call, row.answer).Class; got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func statuses(codes []int, want routing.Class) []classifyRow {
	rows := make([]classifyRow, 0, len(codes))
	for _, code := range codes {
		rows = append(rows, classifyRow{fmt.Sprint(code), status(code), want})
	}
	return rows
}

var (
	notSent    = routing.Answer{}
	answerLost = routing.Answer{Delivered: true}
)

// TestClassifyCreate: the outcome classes of a create, of instances and of bindings.
func TestClassifyCreate(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]*routing.Call{"instance": createOnInstance(), "binding": bind()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testClassify(t, create, statuses([]int{200, 201}, routing.ClassDone))
			testClassify(t, create, statuses([]int{202}, routing.ClassAccepted))
			testClassify(t, create, statuses(
				[]int{400, 401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 413, 415, 417, 423, 424, 425, 426, 428, 429, 431, 451, 499},
				routing.ClassNothing))
			testClassify(t, create, statuses([]int{408}, routing.ClassUnknown))
			testClassify(t, create, statuses([]int{409}, routing.ClassExists))
			testClassify(t, create, statuses([]int{300, 301, 302, 303, 304, 307, 308}, routing.ClassUnknown))
			testClassify(t, create, statuses([]int{203, 204, 205, 206, 207, 226, 299}, routing.ClassUnknown))
			testClassify(t, create, statuses([]int{500, 501, 502, 503, 504, 505, 507, 511, 599}, routing.ClassUnknown))
			testClassify(t, create, []classifyRow{
				{"surely not sent", notSent, routing.ClassNothing},
				{"timeout or reset", answerLost, routing.ClassUnknown},
				{"200 malformed", text(200), routing.ClassUnknown},
				{"201 malformed", text(201), routing.ClassUnknown},
				{"202 malformed", text(202), routing.ClassUnknown},
				{"400 malformed", text(400), routing.ClassNothing},
				{"409 malformed", text(409), routing.ClassExists},
				{"422 ConcurrencyError", withError(422, "ConcurrencyError"), routing.ClassExists},
				{"422 without error", withError(422, ""), routing.ClassExists},
				{"422 malformed", text(422), routing.ClassExists},
				{"422 AsyncRequired", withError(422, "AsyncRequired"), routing.ClassNothing},
				{"422 MaintenanceInfoConflict", withError(422, "MaintenanceInfoConflict"), routing.ClassNothing},
				{"422 RequiresApp", withError(422, "RequiresApp"), routing.ClassNothing},
				{"409 with an error", withError(409, "Conflict"), routing.ClassExists},
				{"400 ConcurrencyError", withError(400, "ConcurrencyError"), routing.ClassNothing},
			})
		})
	}
}

// TestClassifyCreateUnderReject: a platform that may only touch what it made must not come to own what was there
// before.
func TestClassifyCreateUnderReject(t *testing.T) {
	t.Parallel()
	testClassify(t, createOnInstance(reject), []classifyRow{
		{"409", status(409), routing.ClassNothing},
		{"422 ConcurrencyError", withError(422, "ConcurrencyError"), routing.ClassNothing},
		{"422 without error", withError(422, ""), routing.ClassNothing},
		{"200", status(200), routing.ClassDone},
		{"202", status(202), routing.ClassAccepted},
		{"408", status(408), routing.ClassUnknown},
	})
}

// TestClassifyElse: the outcomes of the other calls.
func TestClassifyElse(t *testing.T) {
	t.Parallel()
	polled := func(code int, state string) routing.Answer {
		answer := status(code)
		answer.State = state
		return answer
	}
	for _, c := range []struct {
		call *routing.Call
		rows []classifyRow
	}{
		{deleteInstance(), []classifyRow{
			{"200", status(200), routing.ClassDone},
			{"200 with an empty body", text(200), routing.ClassDone},
			{"410", status(410), routing.ClassDone},
			{"202", status(202), routing.ClassAccepted},
			{"404", status(404), routing.ClassOther},
			{"422 ConcurrencyError", withError(422, "ConcurrencyError"), routing.ClassOther},
			{"500", status(500), routing.ClassOther},
			{"204", status(204), routing.ClassOther},
			{"lost", answerLost, routing.ClassOther},
			{"not sent", notSent, routing.ClassOther},
		}},
		{updateInstance(), []classifyRow{
			{"200", status(200), routing.ClassDone},
			{"204 of the state", text(204), routing.ClassDone},
			{"202", status(202), routing.ClassAccepted},
			{"422 ConcurrencyError", withError(422, "ConcurrencyError"), routing.ClassExists},
			{"422", status(422), routing.ClassNothing},
			{"400", status(400), routing.ClassNothing},
			{"404", status(404), routing.ClassNothing},
			{"410", status(410), routing.ClassNothing},
			{"408", status(408), routing.ClassUnknown},
			{"500", status(500), routing.ClassUnknown},
			{"302", status(302), routing.ClassUnknown},
			{"lost", answerLost, routing.ClassUnknown},
			{"not sent", notSent, routing.ClassNothing},
		}},
		{pollInstance(), []classifyRow{
			{"succeeded", polled(200, "succeeded"), routing.ClassSucceeded},
			{"failed", polled(200, "failed"), routing.ClassFailed},
			{"in progress", polled(200, "in progress"), routing.ClassInProgress},
			{"500 in progress", polled(500, "in progress"), routing.ClassOther},
			{"200 without a state", status(200), routing.ClassOther},
			{"an unknown state", polled(200, "Succeeded"), routing.ClassOther},
			{"410", status(410), routing.ClassGone},
			{"404 settles nothing", status(404), routing.ClassOther},
			{"500 with a state", polled(500, "failed"), routing.ClassOther},
			{"lost", answerLost, routing.ClassOther},
			{"not sent", notSent, routing.ClassOther},
		}},
		{newCall(routing.KindFetch, onInstance), []classifyRow{
			{"200", status(200), routing.ClassOther},
			{"404", status(404), routing.ClassOther},
			{"410", status(410), routing.ClassOther},
		}},
	} {
		t.Run(string(c.call.Kind), func(t *testing.T) {
			t.Parallel()
			testClassify(t, c.call, c.rows)
		})
	}
}

// TestClassifyFacts: what an outcome says beside its class.
func TestClassifyFacts(t *testing.T) {
	t.Parallel()
	for code, settled := range map[int]bool{500: true, 501: true, 502: false, 503: false, 408: false, 200: false} {
		if got := routing.Classify(createOnInstance(), status(code)).Settled; got != settled {
			t.Errorf("%d: got settled %t, want %t", code, got, settled)
		}
	}
	got := routing.Classify(createOnInstance(), routing.Answer{Status: 202, Object: true, Operation: "o", Trace: "tr"})
	want := routing.Outcome{Class: routing.ClassAccepted, Delivered: true, Operation: "o", Trace: "tr"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if routing.Classify(createOnInstance(), notSent).Delivered {
		t.Error("what was not sent counts as delivered")
	}
	if !routing.Classify(createOnInstance(), answerLost).Delivered {
		t.Error("a lost answer counts as not delivered")
	}
}
