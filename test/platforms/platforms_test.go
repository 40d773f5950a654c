package platforms_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/platforms"
)

const (
	success = platforms.Success
	poll    = platforms.Poll
	fail    = platforms.Fail
	clean   = platforms.Mitigate
	cleanUp = platforms.MitigateAgain
	again   = platforms.Again
)

// answered has a JSON object as its body.
func answered(status int, code string) platforms.Answer {
	return platforms.Answer{Status: status, Object: true, Error: code}
}

func failed(failure platforms.Failure) platforms.Answer { return platforms.Answer{Failure: failure} }

// row is what the three do about one answer.
type row struct {
	name                                 string
	answer                               platforms.Answer
	cloudFoundry, serviceCatalog, korifi platforms.Reaction
}

func check(t *testing.T, rows []row, read func(platforms.Platform, platforms.Answer) platforms.Reaction) {
	t.Helper()
	for _, r := range rows {
		for _, one := range []struct {
			name     string
			platform platforms.Platform
			want     platforms.Reaction
		}{
			{"Cloud Foundry", platforms.CloudFoundry{}, r.cloudFoundry},
			{"service catalog", platforms.ServiceCatalog{}, r.serviceCatalog},
			{"Korifi", platforms.Korifi{}, r.korifi},
		} {
			if got := read(one.platform, r.answer); got != one.want {
				t.Errorf("%s, %s: got %q, want %q", one.name, r.name, got, one.want)
			}
		}
	}
}

func TestProvision(t *testing.T) {
	t.Parallel()
	check(t, []row{
		{"200 object", answered(200, ""), success, success, success},
		{"201 object", answered(201, ""), success, success, success},
		{"202 object", answered(202, ""), poll, poll, poll},
		{"200 without an object", platforms.Answer{Status: 200}, fail, again, again},
		{"201 without an object", platforms.Answer{Status: 201}, clean, cleanUp, again},
		{"202 without an object", platforms.Answer{Status: 202}, clean, cleanUp, again},
		{"204", platforms.Answer{Status: 204}, clean, cleanUp, again},
		{"another 2xx", platforms.Answer{Status: 206, Object: true}, clean, cleanUp, again},
		{"304", platforms.Answer{Status: 304}, clean, again, again},
		{"400", answered(400, ""), fail, fail, fail},
		{"401", answered(401, ""), fail, again, again},
		{"403", answered(403, ""), fail, again, again},
		{"404", answered(404, ""), fail, again, again},
		{"412", answered(412, ""), fail, again, again},
		{"429", answered(429, ""), fail, again, again},
		{"408", answered(408, ""), fail, again, again},
		{"409", answered(409, ""), fail, again, fail},
		{"410", answered(410, ""), clean, again, again},
		{"422 AsyncRequired", answered(422, "AsyncRequired"), fail, again, fail},
		{"422 ConcurrencyError", answered(422, "ConcurrencyError"), fail, again, fail},
		{"422 MaintenanceInfoConflict", answered(422, "MaintenanceInfoConflict"), fail, again, fail},
		{"422 of another error", answered(422, "Odd"), clean, again, fail},
		{"500", answered(500, ""), clean, cleanUp, again},
		{"502", answered(502, ""), clean, cleanUp, again},
		{"503", answered(503, ""), clean, cleanUp, again},
		{"504", answered(504, ""), clean, cleanUp, again},
		{"refused, no such host", failed(platforms.Refused), fail, again, again},
		{"reset, end of file, TLS", failed(platforms.Broken), fail, again, again},
		{"timeout", failed(platforms.TimedOut), clean, cleanUp, again},
	}, platforms.Platform.Create)
}

func TestBind(t *testing.T) {
	t.Parallel()
	of := func(a platforms.Answer) platforms.Answer {
		a.Binding = true
		return a
	}
	check(t, []row{
		{"201", of(answered(201, "")), success, success, success},
		{"202", of(answered(202, "")), poll, poll, poll},
		{"400", of(answered(400, "")), fail, fail, fail},
		{"409", of(answered(409, "")), fail, fail, fail},
		{"422 RequiresApp", of(answered(422, "RequiresApp")), fail, fail, fail},
		{"422 of another error", of(answered(422, "Odd")), clean, fail, fail},
		{"429", of(answered(429, "")), fail, fail, again},
		{"503", of(answered(503, "")), clean, clean, again},
		{"refused", of(failed(platforms.Refused)), fail, again, again},
	}, platforms.Platform.Create)
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	check(t, []row{
		{"200", answered(200, ""), success, success, fail},
		{"202", answered(202, ""), poll, poll, fail},
		{"200 without an object", platforms.Answer{Status: 200}, fail, again, fail},
		{"400", answered(400, ""), fail, fail, fail},
		{"409", answered(409, ""), fail, again, fail},
		{"422", answered(422, "Odd"), fail, again, fail},
		{"503", answered(503, ""), fail, again, fail},
		{"timeout", failed(platforms.TimedOut), fail, again, fail},
	}, platforms.Platform.Change)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	unbind := platforms.Answer{Status: 410, Binding: true}
	check(t, []row{
		{"200 object", answered(200, ""), success, success, success},
		{"200 without an object", platforms.Answer{Status: 200}, again, again, again},
		{"202", answered(202, ""), poll, poll, poll},
		{"204", platforms.Answer{Status: 204}, again, again, again},
		{"404", answered(404, ""), again, again, again},
		{"409", answered(409, ""), again, again, again},
		{"410", platforms.Answer{Status: 410}, success, success, success},
		{"410 of a binding, without an object", unbind, success, again, success},
		{"422 ConcurrencyError", answered(422, "ConcurrencyError"), again, again, again},
		{"503", answered(503, ""), again, again, again},
		{"broken", failed(platforms.Broken), again, again, again},
	}, platforms.Platform.Delete)
}

func TestPoll(t *testing.T) {
	t.Parallel()
	state := func(state string) platforms.Answer { return platforms.Answer{Status: 200, Object: true, State: state} }
	deletion := platforms.Answer{Status: 410, Deletes: true}
	check(t, []row{
		{"in progress", state("in progress"), poll, poll, poll},
		{"succeeded", state("succeeded"), success, success, success},
		{"failed", state("failed"), fail, fail, fail},
		{"a state that nobody knows", state("odd"), poll, poll, poll},
		{"no state", state(""), poll, poll, poll},
		{"400", answered(400, ""), fail, fail, poll},
		{"404", answered(404, ""), poll, poll, poll},
		{"410 of a deletion", deletion, success, success, poll},
		{"410 of a creation", answered(410, ""), poll, poll, poll},
		{"401", answered(401, ""), poll, poll, poll},
		{"429", answered(429, ""), poll, poll, poll},
		{"503", answered(503, ""), poll, poll, poll},
		{"timeout", failed(platforms.TimedOut), poll, poll, poll},
	}, platforms.Platform.Poll)
}
