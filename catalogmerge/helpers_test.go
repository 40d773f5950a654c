package catalogmerge_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// noon is the time of the first fetch in the tests.
var noon = time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)

const withdrawAfter = 10 * time.Minute

// service returns a sound offering. Each plan is an id and a name, joined by a slash; a plan without a slash has one
// word for both.
func service(id, name string, plans ...string) string {
	encoded := make([]string, len(plans))
	for i, p := range plans {
		planID, planName, ok := strings.Cut(p, "/")
		if !ok {
			planName = planID
		}
		encoded[i] = fmt.Sprintf(`{"id":%q,"name":%q,"description":"a plan","free":true,"bindable":true}`, planID, planName)
	}
	return fmt.Sprintf(`{"id":%q,"name":%q,"description":"an offering","bindable":true,"plans":[%s]}`,
		id, name, strings.Join(encoded, ","))
}

// with adds fields to an object.
func with(object, fields string) string { return strings.TrimSuffix(object, "}") + "," + fields + "}" }

// body returns a catalog of the given offerings.
func body(services ...string) []byte {
	return []byte(`{"services":[` + strings.Join(services, ",") + `]}`)
}

// fetch returns an answer of a backend without a policy.
func fetch(body []byte, etag string, at time.Time) catalogmerge.Fetch {
	return catalogmerge.Fetch{Body: body, ETag: etag, At: at, WithdrawAfter: withdrawAfter}
}

func refreshed(
	previous *catalogmerge.Copy, backend string, body []byte, etag string, at time.Time,
) (*catalogmerge.Copy, error) {
	return catalogmerge.Refresh(previous, backend, fetch(body, etag, at))
}

func touch(previous *catalogmerge.Copy, at time.Time) *catalogmerge.Copy {
	return catalogmerge.Touch(previous, fetch(nil, "", at))
}

// merge merges copies without policies.
func merge(copies []*catalogmerge.Copy) *catalogmerge.Catalog {
	return catalogmerge.Merge(expose(copies, nil, nil), nil)
}

// expose applies policies, which are parallel to the copies or shorter.
func expose(
	copies []*catalogmerge.Copy, policies []*catalogmerge.Policy, o *catalogmerge.Options,
) []*catalogmerge.Exposed {
	exposed := make([]*catalogmerge.Exposed, len(copies))
	for i, c := range copies {
		var p *catalogmerge.Policy
		if i < len(policies) {
			p = policies[i]
		}
		exposed[i] = catalogmerge.Expose(c, p, o, nil)
	}
	return exposed
}

func refresh(
	t testing.TB, previous *catalogmerge.Copy, backend string, now time.Time, services ...string,
) *catalogmerge.Copy {
	t.Helper()
	c, err := refreshed(previous, backend, body(services...), "", now)
	if err != nil {
		t.Fatalf("Refresh: %v", err)
	}
	return c
}

// raws returns the bytes of the offerings, for comparison.
func raws(offerings []catalogmerge.Offering) []string {
	var result []string
	for _, o := range offerings {
		result = append(result, string(o.Raw))
	}
	return result
}

// publishedIDs returns the ids of the merged offerings with their backends.
func publishedIDs(c *catalogmerge.Catalog) []string {
	var result []string
	for _, o := range c.Offerings {
		result = append(result, o.Backend+":"+o.ID)
	}
	return result
}

// rulesOf returns path and rule of each problem.
func rulesOf(problems []catalogmerge.Problem) []string {
	var result []string
	for _, p := range problems {
		result = append(result, p.Path+" "+string(p.Rule))
	}
	return result
}

// hardOf returns the hard problems among some.
func hardOf(problems []catalogmerge.Problem) []catalogmerge.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p catalogmerge.Problem) bool { return !p.Hard })
}

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decodeServices reads a catalog with encoding/json alone, as a second opinion.
func decodeServices(data []byte) ([]json.RawMessage, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(data, &top); err != nil {
		return nil, err
	}
	var services []json.RawMessage
	err := json.Unmarshal(top["services"], &services)
	return services, err
}

// refreshWith is refresh with a policy.
func refreshWith(
	t testing.TB, previous *catalogmerge.Copy, backend string, p *catalogmerge.Policy, now time.Time, services ...string,
) *catalogmerge.Copy {
	t.Helper()
	f := fetch(body(services...), "", now)
	f.Policy = p
	c, err := catalogmerge.Refresh(previous, backend, f)
	if err != nil {
		t.Fatalf("Refresh: %v", err)
	}
	return c
}
