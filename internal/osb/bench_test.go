package osb_test

import (
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

const (
	guidPath = "/v2/service_instances/7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7/service_bindings/" +
		"92dba2e9-86e7-4bb6-8e9f-b14294a41cbd"
	crnPath   = "/v2/service_instances/" + crnEscaped + "/service_bindings/" + keyCRNEscaped
	pollQuery = "operation=Provision_45&plan_id=e62e2c19-0c3b-41e3-b8b3-c71762ecd489" +
		"&service_id=cb55391b-3416-4943-a6a6-a541778c1924"
	cfIdentity = "cloudfoundry eyJ1c2VyX2lkIjoiNjgzZWE3NDgtMzA5Mi00ZmY0LWI2NTYtMzljYWNjNGQ1MzYwIn0="
)

// What every call does must not cost more allocations than the strings that it makes.
func TestAllocations(t *testing.T) {
	body, answer := []byte(cloudFoundryProvision), []byte(bindAnswer)
	poll := []byte(`{"state":"in progress"}`)
	for name, test := range map[string]struct {
		limit float64
		call  func() error
	}{
		"path with GUIDs": {0, func() error { _, err := osb.ParsePath(http.MethodPut, guidPath); return err }},
		"path with CRNs":  {2, func() error { _, err := osb.ParsePath(http.MethodPut, crnPath); return err }},
		"query":           {0, func() error { _, err := osb.ParseQuery(pollQuery); return err }},
		"body":            {1, func() error { _, err := osb.ReadBody(body); return err }},
		"answer":          {0, func() error { osb.ReadAnswer(answer); return nil }},
		"poll's answer":   {1, func() error { osb.ReadAnswer(poll); return nil }},
		"version":         {0, func() error { _, err := osb.ParseVersion("2.17"); return err }},
		"identity":        {2, func() error { _, err := osb.ParseIdentity(cfIdentity); return err }},
		"CRN":             {0, func() error { osb.CRNServiceName(crn); return nil }},
	} {
		var err error
		got := testing.AllocsPerRun(100, func() { err = test.call() })
		if err != nil {
			t.Errorf("%s: got error %v", name, err)
		}
		if got > test.limit {
			t.Errorf("%s: got %v allocations, want at most %v", name, got, test.limit)
		}
	}
}

func BenchmarkParsePath(b *testing.B) {
	for name, path := range map[string]string{"GUID": guidPath, "CRN": crnPath} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := osb.ParsePath(http.MethodPut, path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseQuery(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := osb.ParseQuery(pollQuery); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadBody(b *testing.B) {
	for name, body := range map[string][]byte{
		"provision": []byte(cloudFoundryProvision), "update": []byte(ibmUpdate), "many names": []byte(manyNames(10_000, "")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := osb.ReadBody(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadAnswer(b *testing.B) {
	for name, body := range map[string][]byte{
		"bind": []byte(bindAnswer), "poll": []byte(`{"state":"in progress","description":"50%"}`),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if !osb.ReadAnswer(body).Object {
					b.Fatal("not an object")
				}
			}
		})
	}
}

func BenchmarkParseIdentity(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := osb.ParseIdentity(cfIdentity); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewRequestIdentity(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		osb.NewRequestIdentity()
	}
}
