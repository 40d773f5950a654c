package chaos_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/chaos"
)

// answered is a call of a kind with a status, a JSON object as its body unless object is false, and an error code.
func answered(kind chaos.Kind, status int, object bool, code string) *chaos.Call {
	return &chaos.Call{Kind: kind, Status: status, Object: object, Error: code}
}

func TestCreationsAreReadAsPlatformsDo(t *testing.T) {
	t.Parallel()
	failed := func(failure chaos.Failure) *chaos.Call { return &chaos.Call{Kind: chaos.Provision, Failure: failure} }
	for _, test := range []struct {
		name                 string
		call                 *chaos.Call
		cloudFoundry, korifi chaos.Reaction
	}{
		{"200", answered(chaos.Provision, 200, true, ""), chaos.Success, chaos.Success},
		{"201", answered(chaos.Provision, 201, true, ""), chaos.Success, chaos.Success},
		{"202", answered(chaos.Provision, 202, true, ""), chaos.Poll, chaos.Poll},
		{"200 malformed", answered(chaos.Provision, 200, false, ""), chaos.Fail, chaos.Again},
		{"201 malformed", answered(chaos.Provision, 201, false, ""), chaos.Mitigate, chaos.Again},
		{"202 malformed", answered(chaos.Provision, 202, false, ""), chaos.Mitigate, chaos.Again},
		{"204", answered(chaos.Provision, 204, false, ""), chaos.Mitigate, chaos.Again},
		{"304", answered(chaos.Provision, 304, false, ""), chaos.Mitigate, chaos.Again},
		{"400", answered(chaos.Provision, 400, true, ""), chaos.Fail, chaos.Fail},
		{"404", answered(chaos.Provision, 404, true, ""), chaos.Fail, chaos.Again},
		{"408", answered(chaos.Provision, 408, true, ""), chaos.Fail, chaos.Again},
		{"409", answered(chaos.Provision, 409, true, ""), chaos.Fail, chaos.Fail},
		{"410", answered(chaos.Provision, 410, true, ""), chaos.Mitigate, chaos.Again},
		{"422 of a known code", answered(chaos.Provision, 422, true, "ConcurrencyError"), chaos.Fail, chaos.Fail},
		{"422 of another", answered(chaos.Provision, 422, true, "Odd"), chaos.Mitigate, chaos.Fail},
		{"429", answered(chaos.Provision, 429, true, ""), chaos.Fail, chaos.Again},
		{"500", answered(chaos.Provision, 500, true, ""), chaos.Mitigate, chaos.Again},
		{"503", answered(chaos.Provision, 503, true, ""), chaos.Mitigate, chaos.Again},
		{"refused", failed(chaos.Refused), chaos.Fail, chaos.Again},
		{"broken", failed(chaos.Broken), chaos.Fail, chaos.Again},
		{"timed out", failed(chaos.TimedOut), chaos.Mitigate, chaos.Again},
	} {
		if got := (chaos.CloudFoundry{}).Create(test.call); got != test.cloudFoundry {
			t.Errorf("Cloud Foundry, %s: got %s, want %s", test.name, got, test.cloudFoundry)
		}
		if got := (chaos.Korifi{}).Create(test.call); got != test.korifi {
			t.Errorf("Korifi, %s: got %s, want %s", test.name, got, test.korifi)
		}
	}
}

func TestDeletionsAreReadAsPlatformsDo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		call *chaos.Call
		want chaos.Reaction
	}{
		{"200", answered(chaos.Deprovision, 200, true, ""), chaos.Success},
		{"200 without an object", answered(chaos.Deprovision, 200, false, ""), chaos.Again},
		{"202", answered(chaos.Unbind, 202, true, ""), chaos.Poll},
		{"204", answered(chaos.Unbind, 204, false, ""), chaos.Again},
		{"404", answered(chaos.Unbind, 404, true, ""), chaos.Again},
		{"410", answered(chaos.Deprovision, 410, false, ""), chaos.Success},
		{"422", answered(chaos.Deprovision, 422, true, "ConcurrencyError"), chaos.Again},
		{"503", answered(chaos.Deprovision, 503, true, ""), chaos.Again},
		{"broken", &chaos.Call{Kind: chaos.Deprovision, Failure: chaos.Broken}, chaos.Again},
	} {
		for _, platform := range []chaos.Reactions{chaos.CloudFoundry{}, chaos.Korifi{}} {
			if got := platform.Delete(test.call); got != test.want {
				t.Errorf("%T, %s: got %s, want %s", platform, test.name, got, test.want)
			}
		}
	}
}

func TestUpdatesAndPollsAreReadAsPlatformsDo(t *testing.T) {
	t.Parallel()
	poll := func(of chaos.Kind, status int, state string) *chaos.Call {
		return &chaos.Call{Kind: chaos.PollInstance, Of: of, Status: status, State: state, Object: true}
	}
	for _, test := range []struct {
		name                 string
		call                 *chaos.Call
		cloudFoundry, korifi chaos.Reaction
	}{
		{"in progress", poll(chaos.Provision, 200, "in progress"), chaos.Poll, chaos.Poll},
		{"succeeded", poll(chaos.Provision, 200, "succeeded"), chaos.Success, chaos.Success},
		{"failed", poll(chaos.Provision, 200, "failed"), chaos.Fail, chaos.Fail},
		{"no state", poll(chaos.Provision, 200, ""), chaos.Poll, chaos.Poll},
		{"400", poll(chaos.Provision, 400, ""), chaos.Fail, chaos.Poll},
		{"404", poll(chaos.Deprovision, 404, ""), chaos.Poll, chaos.Poll},
		{"410 of a creation", poll(chaos.Provision, 410, ""), chaos.Poll, chaos.Poll},
		{"410 of a deletion", poll(chaos.Deprovision, 410, ""), chaos.Success, chaos.Poll},
		{"410 of an unbinding", poll(chaos.Unbind, 410, ""), chaos.Success, chaos.Poll},
		{"503", poll(chaos.Deprovision, 503, ""), chaos.Poll, chaos.Poll},
		{"timed out", &chaos.Call{Kind: chaos.PollInstance, Failure: chaos.TimedOut}, chaos.Poll, chaos.Poll},
	} {
		if got := (chaos.CloudFoundry{}).Poll(test.call); got != test.cloudFoundry {
			t.Errorf("Cloud Foundry, %s: got %s, want %s", test.name, got, test.cloudFoundry)
		}
		if got := (chaos.Korifi{}).Poll(test.call); got != test.korifi {
			t.Errorf("Korifi, %s: got %s, want %s", test.name, got, test.korifi)
		}
	}
	for status, want := range map[int]chaos.Reaction{
		200: chaos.Success, 202: chaos.Poll, 404: chaos.Fail, 409: chaos.Fail, 422: chaos.Fail, 500: chaos.Fail,
	} {
		if got := (chaos.CloudFoundry{}).Change(answered(chaos.Update, status, true, "")); got != want {
			t.Errorf("an update answered with %d: got %s, want %s", status, got, want)
		}
	}
}
