package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// crn is an id as IBM Cloud gives them.
const crn = "crn:v1:bluemix:public:some-service:us-south:a/0123456789abcdef:4d2c-11::"

// TestShowAndForget shows and forgets instances of all kinds of ids, by the API and by the command. What the platform does
// then still reaches the broker.
func TestShowAndForget(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		for _, id := range []string{
			crn, newGUID(), "-dashed", "a b", "a%2Fb", "a+b&id=c", "}{", "é/日本", "..x", "--json",
		} {
			path := instancePath(url.PathEscape(id))
			target := "/osb_gateway/instances/" + url.PathEscape(id)
			if answer := askAdmin(t, w.Gateway, "GET", target); answer.Status != http.StatusNotFound {
				t.Errorf("%s: before anything: got %d %s, want 404", id, answer.Status, answer.Body)
			}
			wantText(t, id, operateInVain(t, w.Gateway, "show", "--", id), "there is no record")
			wantText(t, id, operateInVain(t, w.Gateway, "forget", "--", id), "there is no record")

			w.expect(t, put(path, create(beta, small)), http.StatusCreated, beta)
			bindingTarget := path + "/service_bindings/" + url.PathEscape(id)
			w.expect(t, put(bindingTarget, bind(beta, small)), http.StatusCreated, beta)
			var shown struct {
				Instance struct {
					ID      string `json:"instance_id"`
					State   string `json:"state"`
					Backend string `json:"backend"`
				} `json:"instance"`
				Bindings []struct {
					ID string `json:"binding_id"`
				} `json:"bindings"`
			}
			answer := askAdmin(t, w.Gateway, "GET", target)
			if err := json.Unmarshal([]byte(answer.Body), &shown); err != nil || answer.Status != http.StatusOK {
				t.Fatalf("%s: got %d %s", id, answer.Status, answer.Body)
			}
			if shown.Instance.ID != id || shown.Instance.State != "ready" || shown.Instance.Backend != beta ||
				len(shown.Bindings) != 1 || shown.Bindings[0].ID != id {
				t.Errorf("%s: it shows %s", id, answer.Body)
			}
			if strings.Contains(answer.Body, "credentials") || strings.Contains(answer.Body, "password") {
				t.Errorf("%s: it shows credentials: %s", id, answer.Body)
			}
			if printed := operate(t, w.Gateway, "show", "--json", "--", id); printed != answer.Body {
				t.Errorf("%s: --json prints\n%s\nand the API says\n%s", id, printed, answer.Body)
			}
			wantText(t, "show", operate(t, w.Gateway, "show", "--", id), id, "ready", beta, serviceID(beta))
			wantText(t, "forget", operate(t, w.Gateway, "forget", "--", id), "Forgot the instance "+id, "No broker was asked",
				"bindings that stay", ": 1.")
			wantText(t, "forget again", operate(t, w.Gateway, "forget", "--", id), "Nothing to do", "gone already")
			wantText(t, "show", operate(t, w.Gateway, "show", "--", id), "gone (a tombstone)")

			// The platform unbinds and deletes: both reach the broker, which still has them.
			w.expect(t, del(bindingTarget+ids(beta, small)), http.StatusOK, beta)
			w.expect(t, del(path+ids(beta, small)), http.StatusOK, beta)
			// Forgotten, the id may be claimed anew, at another broker too.
			w.expect(t, put(path, create(alpha, small)), http.StatusCreated, alpha)
			operate(t, w.Gateway, "forget", "--", id)
			w.expect(t, put(path, create(gamma, small)), http.StatusCreated, gamma)
			wantText(t, "show", operate(t, w.Gateway, "show", "--", id), "ready", gamma)
		}
		wantText(t, "the log", w.Output(), `"msg":"the record of an instance was forgotten"`, `"remote_addr":"127.0.0.1:`)
	})
}

// TestForgetDuringACreate: the create that is under way takes the record back.
func TestForgetDuringACreate(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		id := newGUID()
		late := w.sendHeld(t, put(instancePath(id), create(alpha, small)), alpha)
		wantText(t, "show", operate(t, w.Gateway, "show", id), "claimed", "open call", "create, may take effect until")
		wantText(t, "forget", operate(t, w.Gateway, "forget", id), "Creates under way: 1")
		late.hold.Release()
		if answer := late.answer(t); answer.Status != http.StatusCreated {
			t.Errorf("the create: got %d %s, want 201", answer.Status, answer.Body)
		}
		wantText(t, "show", operate(t, w.Gateway, "show", id), "ready", alpha)
		w.expect(t, del(instancePath(id)+ids(alpha, small)), http.StatusOK, alpha)
	})
}

// TestUnfinishedIsTold: an operation that awaits polls is named by the status and by show.
func TestUnfinishedIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redisStore(t))
	id := newGUID()
	w.expect(t, put(instancePath(id)+asynchronous, create(alpha, slow)), http.StatusAccepted, alpha)
	records := adminStatus(t, w.Gateway, "")[0].Records
	if records.Unfinished.Count != 1 || records.Unfinished.Examples[0].InstanceID != id {
		t.Errorf("the status says %+v", records.Unfinished)
	}
	wantText(t, "status", operate(t, w.Gateway, "status"), "1 unfinished", id, "creating on alpha")
	wantText(t, "show", operate(t, w.Gateway, "show", id), "creating", "operation", "create")
}

// TestCommandRefuses: what is asked for wrongly.
func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		arguments []string
		said      string
	}{
		{[]string{"nothing"}, `no command "nothing"; there are accept, check, forget, refresh, show, status, store`},
		{[]string{"status", "more"}, `status takes no argument, but for flags; "more"`},
		{[]string{"show"}, "one instance id"},
		{[]string{"show", ""}, "one instance id"},
		{[]string{"forget", "a", "b"}, "one instance id"},
		{[]string{"accept"}, "one backend"},
		{[]string{"store", "nothing"}, `no command "nothing"; there are accept`},
		{[]string{"status", "--timeout", "soon"}, "invalid argument"},
		{[]string{"status", "--config", "none.json"}, "none.json"},
	} {
		printed, said, code := command(t, test.arguments...)
		if code != 1 || printed != "" || !strings.Contains(said, test.said) {
			t.Errorf("%v: exit code %d, printed %q, said %q; want 1 and %q", test.arguments, code, printed, said, test.said)
		}
	}
	for _, arguments := range [][]string{{}, {"--help"}, {"status", "--help"}, {"forget", "--help"}, {"store"}} {
		if printed, said, code := command(t, arguments...); code != 0 || !strings.Contains(printed, "Usage:") {
			t.Errorf("%v: exit code %d, printed %q, said %q; want the help", arguments, code, printed, said)
		}
	}
}
