package routing_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// fullRecord has a value in every field.
func fullRecord() *routing.Record {
	return &routing.Record{
		Version: 1, Instance: "i", Binding: "b", Platform: "p", Backend: "a", Service: "s", Plan: "pl",
		SpelledService: "ss", SpelledPlan: "sp", Life: "l",
		ParentLife: "pa", Rev: 1 << 60, State: routing.Deleting, Seen: true, Sent: true, Adopting: true, NeverCreated: true,
		Op: routing.Op{
			Seq: 4, Kind: routing.KindDelete, Operation: "<o> & \u2028", Plan: "op", SpelledPlan: "so", Trace: "tr", Began: 11,
			Voided:   true,
			PolledAt: 10, Polls: 2,
		},
		Calls: map[string]routing.Open{
			"t": {Kind: routing.KindDelete, Final: true, Voided: true, Until: 5, Done: 6},
		},
		DoubtUntil: 7, Strays: []routing.Stray{{Backend: "b", Life: "x"}}, Created: 8, Updated: 9,
	}
}

func decodeRecord(t *testing.T, data []byte) *routing.Record {
	t.Helper()
	record, err := routing.DecodeRecord(data)
	if err != nil {
		t.Fatalf("decoding %s: %v", data, err)
	}
	return record
}

func encodeRecord(t *testing.T, record *routing.Record) []byte {
	t.Helper()
	data, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fieldsOf are the fields of an encoded record.
func fieldsOf(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return fields
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	for name, record := range map[string]*routing.Record{
		"full": fullRecord(), "empty": {Version: 1}, "instance": newInstance(), "binding": newBinding(openDelete("d")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := encodeRecord(t, record)
			wantRecord(t, "decoded", record, decodeRecord(t, data))
			if again := encodeRecord(t, decodeRecord(t, data)); string(again) != string(data) {
				t.Errorf("encoded again it is\n%s\nwant\n%s", again, data)
			}
		})
	}
	if record, err := routing.DecodeRecord(nil); record != nil || err != nil {
		t.Errorf("no data: got %v, %v; want no record", record, err)
	}
}

// TestRecordUnknownFields: what a newer gateway wrote survives what this one writes.
func TestRecordUnknownFields(t *testing.T) {
	t.Parallel()
	const unknown = `"later":{"deep":[1,{"x":null}]},"number":12345678901234567890,"exact":1.10,"text":"<\u00e9>","nothing":null`
	data := strings.Replace(string(encodeRecord(t, newInstance())), `"state"`, unknown+`,"state"`, 1)
	record := decodeRecord(t, []byte(data))
	want := fieldsOf(t, []byte(data))
	if diff := cmp.Diff(want, fieldsOf(t, encodeRecord(t, record))); diff != "" {
		t.Errorf("encoded again (-want +got):\n%s", diff)
	}

	// They survive the protocol too: a delete, and the next claim of the id.
	call := deleteInstance()
	records, decision := routing.Begin(both(record, nil), call, testConfig{}, now)
	records, _ = routing.Close(records, call, &decision, outcomeDone, now)
	call = createOnInstance(func(c *routing.Call) { c.Token = "t2" })
	records, _ = routing.Begin(records, call, testConfig{}, now)
	got := fieldsOf(t, encodeRecord(t, records.Instance))
	for _, name := range []string{"later", "number", "exact", "text", "nothing"} {
		if diff := cmp.Diff(want[name], got[name]); diff != "" {
			t.Errorf("%s after a new claim (-want +got):\n%s", name, diff)
		}
	}
	if got["state"] != "claimed" || got["life"] != "life-t" {
		t.Errorf("the record's own fields are stale: %v", got)
	}
}

// TestRecordNewerVersion: a record of a newer version is refused by its version, whatever became of its fields.
func TestRecordNewerVersion(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"same fields":           `{"v":2,"instance_id":"i","state":"ready"}`,
		"a field of new type":   `{"v":2,"instance_id":{"id":"i"},"state":17,"calls":[],"op":"x"}`,
		"version at the end":    `{"rev":"many","calls":[1],"v":3}`,
		"no field that we know": `{"v":1000000}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record, err := routing.DecodeRecord([]byte(data))
			if !errors.Is(err, routing.ErrNewerRecord) || record != nil {
				t.Errorf("got %v, %v; want ErrNewerRecord", record, err)
			}
		})
	}
}

// TestRecordDamaged: what cannot be read is an error, never an absent record.
func TestRecordDamaged(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "{", "[]", `"x"`, "17", `{"v":1,"state":5}`, `{"v":"1"}`, `{"v":1}{}`} {
		record, err := routing.DecodeRecord([]byte(data))
		if err == nil || record != nil || errors.Is(err, routing.ErrNewerRecord) || errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("%q: got %v, %v; want an error of its own", data, record, err)
		}
	}
}

func TestRecordTTL(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	stray := func(r *routing.Record) { r.Strays = []routing.Stray{{Backend: "b"}} }
	for _, row := range []struct {
		name string
		edit edit
		want time.Duration
	}{
		{"gone", inState(routing.Gone), week},
		{"gone, never created", neverSent, week},
		{"gone, with strays", all(inState(routing.Gone), stray), 0},
		{"claimed", inState(routing.Claimed), 0},
		{"creating", inState(routing.Creating), 0},
		{"updating", inState(routing.Updating), 0},
		{"deleting", inState(routing.Deleting), 0},
		{"ready", inState(routing.Ready), 0},
	} {
		for what, record := range map[string]*routing.Record{"instance": newInstance(row.edit), "binding": newBinding(row.edit)} {
			if got := record.TTL(); got != row.want {
				t.Errorf("%s %s: got %v, want %v", row.name, what, got, row.want)
			}
		}
	}
}

func TestRecordStates(t *testing.T) {
	t.Parallel()
	for s, want := range map[routing.State]struct{ live, unfinished bool }{
		routing.Claimed: {true, false}, routing.Creating: {true, true}, routing.Updating: {true, true},
		routing.Deleting: {true, true}, routing.Ready: {true, false}, routing.Gone: {false, false},
	} {
		record := newInstance(inState(s))
		if record.Live() != want.live || record.Unfinished() != want.unfinished {
			t.Errorf("%s: got live %t and unfinished %t, want %+v", s, record.Live(), record.Unfinished(), want)
		}
	}
}

// FuzzDecodeRecord: decoding never panics; what was decoded encodes and decodes to the same, with the fields that this
// gateway does not know.
func FuzzDecodeRecord(f *testing.F) {
	seed := func(record *routing.Record) {
		data, err := record.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	seed(fullRecord())
	seed(newInstance())
	seed(newBinding(inState(routing.Creating), openCreate("c", soon)))
	for _, data := range []string{
		"", "null", "{}", "[]", `{"v":2}`, `{"v":2,"state":1}`, `{"v":1,"later":{"a":[1,2,3]},"x":1e400}`,
		`{"v":1,"state":"ready","state":"gone"}`, `{"v":1,"State":"gone","later":"` + "\xff" + `"}`, `{"v":1,"":1}`,
		`{"v":1,"calls":{"t":null},"strays":[null],"op":null}`, `{"v":1,"\u2028":"<&>"}`, `{"v":1,"op":{"x":[1],"":{}}}`,
		`{"v":1,"calls":{"t":{"x":1,"kind":"create"},"":{"y":null}},"strays":[{"x":1},{"backend":"b","y":2}]}`,
		`{"v":1,"op":{"seq":3,"later":{"kind":1}},"rev":1,"calls":{},"strays":[]}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		kept := string(data)
		record, err := routing.DecodeRecord(data)
		if err != nil {
			if record != nil {
				t.Errorf("a record beside the error %v", err)
			}
			return
		}
		encoded := encodeRecord(t, record)
		again := decodeRecord(t, encoded)
		if diff := cmp.Diff(record, again, cmpopts.IgnoreUnexported(routing.Record{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded again (-want +got):\n%s", diff)
		}
		if second := encodeRecord(t, again); string(second) != string(encoded) {
			t.Errorf("encoded again: got %s, want %s", second, encoded)
		}
		if string(data) != kept {
			t.Error("the data given are changed")
		}
		if record.Version > routing.RecordVersion {
			t.Errorf("version %d was understood", record.Version)
		}
		var before map[string]any
		if json.Unmarshal(data, &before) != nil {
			return // numbers that no float holds
		}
		after := make(map[string]any)
		if err := json.Unmarshal(encoded, &after); err != nil {
			t.Fatal(err)
		}
		wantUnknown(t, "record", before, after, ownFields)
		wantUnknown(t, "op", before["op"], after["op"], ownFields["op"])
	})
}

// wantUnknown compares the fields of an object that are none of this gateway's. Their names count in any case.
func wantUnknown(t *testing.T, what string, before, after, own any) {
	t.Helper()
	was, _ := before.(map[string]any)
	is, _ := after.(map[string]any)
	known, _ := own.(map[string]any)
	for name, value := range was {
		fold := func(known string) bool { return strings.EqualFold(name, known) }
		if !slices.ContainsFunc(slices.Collect(maps.Keys(known)), fold) && !cmp.Equal(value, is[name]) {
			t.Errorf("%s: the unknown field %q was %v and is %v", what, name, value, is[name])
		}
	}
}

// ownFields are the fields of a record that this gateway writes.
var ownFields = func() map[string]any {
	data, err := fullRecord().Encode()
	if err != nil {
		panic(err)
	}
	fields := make(map[string]any)
	if err := json.Unmarshal(data, &fields); err != nil {
		panic(err)
	}
	return fields
}()
