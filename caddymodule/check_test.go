package caddymodule_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckSavedCatalogs: every file of a directory is a backend.
func TestCheckSavedCatalogs(t *testing.T) {
	t.Parallel()
	directory := saveCatalogs(t, map[string]string{
		"alpha": catalogOf(offering("db", "small", "large")),
		"beta":  catalogOf(offering("queue", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8")),
	})
	if err := os.WriteFile(filepath.Join(directory, "README.md"), []byte("no catalog"), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := operate(t, "check", "--from", directory)
	if err != nil {
		t.Errorf("the check failed: %v", err)
	}
	wantLines(t, said, "gateway default", "alpha 1 2 good", "beta 1 8 good", "db small, large alpha",
		"queue p1, p2, p3, p4, p5, p6 and 2 more beta")
	if strings.Contains(said, "PROBLEM") || strings.Contains(said, "README") {
		t.Errorf("it says\n%s", said)
	}
}

// TestCheckPolicies shows what a configuration does to the offerings of its brokers.
func TestCheckPolicies(t *testing.T) {
	t.Parallel()
	directory := saveCatalogs(t, map[string]string{
		"one": catalogOf(offering("db", "small", "large"), offering("old", "only"), offering("file", "s")),
		"two": catalogOf(offering("queue", "small")),
		"out": catalogOf(offering("gone", "small")),
	})
	file := writeCaddyfile(t, `
		catalog {
			on_name_conflict prefix
		}
		platform cf {
			basic_auth cf `+secretHash+`
			offerings deny eu-*
			unknown_instances reject
		}
		platform k8s {
			basic_auth k8s `+secretHash+`
			unknown_instances reject
		}
		backend one http://127.0.0.1:1 {
			exclude db large
			exclude old
			rename db database
			prefix eu-
		}
		backend two http://127.0.0.1:1 {
			namespace_ids
			drain
		}
		backend out http://127.0.0.1:1 {
			drain hidden
		}`)
	said, err := operate(t, "check", "--config", file, "--adapter", "caddyfile", "--from", directory)
	if err != nil {
		t.Errorf("the check failed: %v", err)
	}
	wantLines(t, said,
		"one 3 4 good", "eu-database small one named db by its broker; without large", "eu-file s one named file by its broker",
		"queue small two ids of the gateway's own; draining: no new instances", "gone small out draining and hidden",
		"LEFT OUT BY THE CONFIGURATION BACKEND", "old one", "cf 1 of 3 offerings", "k8s 3 of 3 offerings")

	said, err = operate(t, "check", "--config", file, "--adapter", "caddyfile", "--from", directory, "--json")
	if err != nil {
		t.Errorf("the check failed: %v", err)
	}
	report := decodeReport(t, said)
	wantAt(t, report, "eu-database", "gateways", 0, "catalog", "offerings", 0, "name")
	wantAt(t, report, "db", "gateways", 0, "catalog", "offerings", 0, "own_name")
	wantAt(t, report, "db-small-id", "gateways", 0, "catalog", "offerings", 0, "plans", 0, "id")
	wantAt(t, report, "large", "gateways", 0, "left_out", 0, "plans", 0)
	wantAt(t, report, "k8s", "gateways", 0, "catalog", "offerings", 0, "platforms", 0)
	wantAt(t, report, "queue-id", "gateways", 0, "catalog", "offerings", 2, "own_id")
	if at(t, report, "gateways", 0, "catalog", "offerings", 2, "id") == "queue-id" {
		t.Error("namespace_ids left an id as it was")
	}
}

// TestCheckProblems: hard problems fail a check and soft ones do not; both are told with backend, place and rule.
func TestCheckProblems(t *testing.T) {
	t.Parallel()
	bad := strings.Replace(offering("bad", "small"), `"bindable": true`, `"bindable": 1`, 1)
	for _, test := range []struct {
		name, block string
		catalogs    map[string]string
		fails       string
		want        []string
	}{
		{
			"Hard", "",
			map[string]string{"one": catalogOf(offering("good", "small"), bad)},
			"hard problems: 1",
			[]string{"one 1 1 good", "good small one", "HARD one bad-id services[1].bindable wrong_type is a number, not a boolean"},
		},
		{
			"Clash", "",
			map[string]string{"one": catalogOf(offering("a", "s")), "two": catalogOf(offering("a", "s"))},
			"hard problems: 1",
			[]string{"a s one", "HARD two a-id id duplicate_offering_id"},
		},
		{
			"Soft", platformBlock + "backend one http://127.0.0.1:1 {\ninclude a\ninclude nothing\n}",
			map[string]string{"one": catalogOf(offering("a", "s"))},
			"",
			[]string{"a s one", "soft one"},
		},
		{
			"Views", platformBlock[:len(platformBlock)-2] + "offerings allow a nothing\nofferings deny backend:tw* one-*\n}\n" +
				backendBlock,
			map[string]string{"one": catalogOf(offering("a", "s"))},
			"",
			[]string{
				"a s one", "soft nothing offerings.allow[1] policy_without_match",
				"soft backend:tw* offerings.deny[0] policy_without_match", "soft one-* offerings.deny[1]",
			},
		},
		{
			"NoCatalog", "",
			map[string]string{"one": "[]", "two": catalogOf(offering("a", "s"))},
			"backends without a catalog: 1",
			[]string{"one 0 0 NO CATALOG: not a catalog: it is an array, not an object", "a s two"},
		},
		{
			"NoFile", platformBlock + "backend absent http://127.0.0.1:1",
			map[string]string{"one": catalogOf(offering("a", "s"))},
			"backends without a catalog: 1",
			[]string{"absent 0 0 NO CATALOG: there is no saved catalog ", "no offering is published"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			arguments := []string{"check", "--from", saveCatalogs(t, test.catalogs)}
			if test.block != "" {
				arguments = append(arguments, "--config", writeCaddyfile(t, test.block), "--adapter", "caddyfile")
			}
			said, err := operate(t, arguments...)
			if test.fails == "" && err != nil || test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)) {
				t.Errorf("got the error %v, want one that says %q", err, test.fails)
			}
			wantLines(t, said, test.want...)
		})
	}
}

// TestCheckLive asks brokers, with the credentials and the timeouts of the configuration.
func TestCheckLive(t *testing.T) {
	t.Parallel()
	one, two := startBroker(t, "one"), startBroker(t, "two")
	file := writeCaddyfile(t, platformBlock+one.block("one", "prefix my-")+
		"backend two "+two.url+" {\n\tbasic_auth gateway wrong\n}\nbackend away http://127.0.0.1:1\n")
	said, err := operate(t, "check", "--config", file, "--adapter", "caddyfile")
	if err == nil || !strings.Contains(err.Error(), "backends without a catalog: 2") {
		t.Errorf("got the error %v", err)
	}
	wantLines(t, said, "one 1 1 good", "my-one small one named one by its broker")
	plain := unpadded(said)
	for _, want := range []string{"two 0 0 NO CATALOG: ", "check the backend's credentials", "away 0 0 NO CATALOG: ", "connection refused"} {
		if !strings.Contains(plain, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, secretPassword) || strings.Contains(err.Error(), secretPassword) {
		t.Errorf("a secret is printed: %s %v", said, err)
	}
}

// TestCheckRefuses: what cannot be checked is said, with what to do.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	directory := saveCatalogs(t, map[string]string{"one": catalogOf()})
	good := writeCaddyfile(t, platformBlock+backendBlock)
	without := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(without, []byte(":80 {\n\trespond x\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{"Empty", []string{"--from", t.TempDir()}, "has no files of the form <backend>.json"},
		{"Nowhere", []string{"--from", filepath.Join(directory, "nowhere")}, "no such file or directory"},
		{"OddName", []string{"--from", saveCatalogs(t, map[string]string{"a b": "{}"})}, "a name has up to 64 letters"},
		{"OtherComparison", []string{"--from", directory, "--against", "yesterday"}, `--against is running, not "yesterday"`},
		{"ComparisonOfFiles", []string{"--from", directory, "--against", "running"}, "--against needs a --config"},
		{"NoGateway", []string{"--config", without, "--adapter", "caddyfile"}, "the configuration has no osb_gateway"},
		{"OtherGateway", []string{"--config", good, "--adapter", "caddyfile", "--gateway", "x"}, `no gateway of the name "x"`},
		{"NoFile", []string{"--config", filepath.Join(directory, "x")}, "loading the configuration: "},
		{"Mistake", []string{"--config", writeCaddyfile(t, platformBlock), "--adapter", "caddyfile"}, "no backend: name a broker"},
		{"Arguments", []string{"x"}, "check takes no argument"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			said, err := operate(t, append([]string{"check"}, test.arguments...)...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got the error %v, want one that says %q; it printed %s", err, test.want, said)
			}
		})
	}
}

// TestCheckAgainstRunning tells what platforms would lose, and passes only if that is accepted.
func TestCheckAgainstRunning(t *testing.T) {
	b := startBroker(t, "one")
	other := startBroker(t, "two")
	s := startServer(t)
	a := startAdmin(t)
	block := "store memory\n" + platformBlock + b.block("one", "") + other.block("two", "")
	s.mustLoad(t, s.config(block))
	for _, id := range []string{"i1", "i2"} {
		s.call(t, http.StatusCreated, "PUT", instancePath(id), createBody("one"))
	}
	s.call(t, http.StatusCreated, "PUT", instancePath("i3"), createBody("two"))
	check := func(block string, more ...string) (string, error) {
		arguments := append([]string{
			"check", "--config", writeCaddyfile(t, block), "--adapter", "caddyfile", "--against", "running",
			"--address", strings.TrimPrefix(a.url, "http://"),
		}, more...)
		return operate(t, arguments...)
	}

	said, err := check(block)
	if err != nil {
		t.Errorf("the same configuration: %v", err)
	}
	wantLines(t, said, "AGAINST WHAT RUNS", "platforms notice nothing")

	less := "store memory\n" + platformBlock + b.block("one", "exclude one") + other.block("two", "prefix x-")
	said, err = check(less)
	if err == nil || !strings.Contains(err.Error(), "platforms would lose what they see now; if that is meant, say --accept") {
		t.Errorf("a loss: got the error %v", err)
	}
	wantLines(t, said, "AGAINST WHAT RUNS", "removes 1 plan with 2 instances",
		`removes offering "one" (id "one") of backend "one": 1 plan with 2 instances`,
		`renames offering "two" (id "two") of backend "two" to "x-two"`)
	if said, err = check(less, "--accept"); err != nil {
		t.Errorf("an accepted loss: %v\n%s", err, said)
	}

	// Without an address the endpoint is that of the configuration.
	path := filepath.Join(t.TempDir(), "Caddyfile")
	config := strings.Replace(site(block), "admin off", "admin "+strings.TrimPrefix(a.url, "http://"), 1)
	if err = os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err = operate(t, "check", "--config", path, "--adapter", "caddyfile", "--against", "running"); err != nil {
		t.Errorf("by the configuration's own endpoint: %v\n%s", err, said)
	}

	// A backend that is named otherwise is still the same, and its ids stay.
	renamed := "store memory\n" + platformBlock + b.block("uno", "formerly one\nnamespace_ids") + other.block("two", "")
	s.mustLoad(t, s.config("store memory\n"+platformBlock+b.block("one", "namespace_ids")+other.block("two", "")))
	if said, err = check(renamed); err != nil {
		t.Errorf("a renamed backend: %v\n%s", err, said)
	}
	wantLines(t, said, "platforms notice nothing")
}

// TestCheckAgainstMappedRights: who has the older right to a dashboard client has it in the check too, although its ids
// were never published as they are.
func TestCheckAgainstMappedRights(t *testing.T) {
	serve := func(name string) string {
		catalog := catalogOf(strings.Replace(offering(name, "small"), `{`,
			`{"dashboard_client": {"id": "client", "secret": "s", "redirect_uri": "https://example.com"}, `, 1))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, catalog) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	older := "backend older " + serve("older") + " {\n\tnamespace_ids\n}\n"
	newer := "backend newer " + serve("newer") + " {\n\tnamespace_ids\n}\n"
	s := startServer(t)
	a := startAdmin(t)
	s.mustLoad(t, s.config("store memory\n"+platformBlock+older))
	s.call(t, http.StatusOK, "GET", "/v2/catalog", "")
	block := "store memory\n" + platformBlock + newer + older
	s.mustLoad(t, s.config(block))
	await(t, "both catalogs", func() bool {
		_, answer, err := try(s.address, "GET", "/v2/catalog", "")
		_, problems := a.ask(t, http.StatusOK, "GET", "/osb_gateway/catalog/problems")
		return err == nil && strings.Contains(answer, "older") && strings.Contains(problems, "duplicate_dashboard_client_id")
	})
	said, err := operate(t, "check", "--config", writeCaddyfile(t, block), "--adapter", "caddyfile", "--against", "running",
		"--address", strings.TrimPrefix(a.url, "http://"))
	if err == nil || err.Error() != "hard problems: 1" {
		t.Errorf("got the error %v", err)
	}
	wantLines(t, said, "platforms notice nothing")
}
