package routing_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// withUnknown encodes a record and adds fields of a newer gateway: to the record, its operation, its call "c" and its
// stray.
func withUnknown(t *testing.T, record *routing.Record) []byte {
	t.Helper()
	text := string(encodeRecord(t, record))
	for _, place := range []string{`{"v":`, `"op":{`, `"c":{`, `"strays":[{`} {
		if !strings.Contains(text, place) {
			t.Fatalf("there is no %s in %s", place, text)
		}
	}
	return []byte(strings.NewReplacer(
		`{"v":`, `{"later":{"a":[1,{}]},"v":`,
		`"op":{`, `"op":{"later_op":12345678901234567890,`,
		`"c":{`, `"c":{"later_call":"<x>",`,
		`"strays":[{`, `"strays":[{"later_stray":null,`,
	).Replace(text))
}

// member finds a value in decoded JSON; a missing one is the text "none".
func member(value any, path ...any) any {
	for _, step := range path {
		var ok bool
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value, ok = object[step]
		case int:
			list, _ := value.([]any)
			if ok = step < len(list); ok {
				value = list[step]
			}
		}
		if !ok {
			return "none"
		}
	}
	return value
}

var (
	laterOfRecord = []any{"later", "a", 0}
	laterOfOp     = []any{"op", "later_op"}
	laterOfCall   = []any{"calls", "c", "later_call"}
	laterOfStray  = []any{"strays", 0, "later_stray"}
)

// deletingWithUnknown is the record of a deletion under way with fields that only a newer gateway knows.
func deletingWithUnknown(t *testing.T) (*routing.Record, []byte) {
	t.Helper()
	data := withUnknown(t, newInstance(inState(routing.Deleting), openCreate("c", soon), func(r *routing.Record) {
		r.Strays = []routing.Stray{{Backend: "b", Life: "lost"}}
	}))
	return decodeRecord(t, data), data
}

// TestUnknownFieldsWithin: fields of a newer gateway within operations, calls and strays survive what this one writes.
func TestUnknownFieldsWithin(t *testing.T) {
	t.Parallel()
	record, data := deletingWithUnknown(t)
	if diff := cmp.Diff(fieldsOf(t, data), fieldsOf(t, encodeRecord(t, record))); diff != "" {
		t.Errorf("encoded again (-want +got):\n%s", diff)
	}
	want := fieldsOf(t, data)

	// A create that joins and whose answer is lost marks the operation and adds a call.
	call := createOnInstance()
	records, decision := routing.Begin(both(record, nil), call, testConfig{}, now)
	records, _ = routing.Close(records, call, &decision, outcomeUnknown, now)
	got := fieldsOf(t, encodeRecord(t, records.Instance))
	for _, path := range [][]any{laterOfRecord, laterOfOp, laterOfCall, laterOfStray} {
		if diff := cmp.Diff(member(want, path...), member(got, path...)); diff != "" {
			t.Errorf("%v after a create (-want +got):\n%s", path, diff)
		}
	}
	if member(got, "op", "voided") != true || member(got, "calls", "t", "done") == "none" {
		t.Errorf("the record's own fields are stale: %v", got)
	}
	if member(got, "calls", "t", "later_call") != "none" {
		t.Errorf("a field of one call went to another: %v", got)
	}

	// What becomes of a record without them is the same in all else.
	plain := decodeRecord(t, encodeRecord(t, record))
	wantRecord(t, "with unknown fields", plain, record)
}

// TestUnknownFieldsOfTheNextOperation: what is said of one operation is not said of the next.
func TestUnknownFieldsOfTheNextOperation(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]routing.Outcome{
		"another operation": acceptedAs("op4"), "none any more": outcomeDone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record, data := deletingWithUnknown(t)
			call := createOnInstance()
			records, decision := routing.Begin(both(record, nil), call, testConfig{}, now)
			records, _ = routing.Close(records, call, &decision, outcome, now)
			got := fieldsOf(t, encodeRecord(t, records.Instance))
			if left := member(got, laterOfOp...); left != "none" {
				t.Errorf("the operation has %v of the one before", left)
			}
			for _, path := range [][]any{laterOfRecord, laterOfCall, laterOfStray} {
				if diff := cmp.Diff(member(fieldsOf(t, data), path...), member(got, path...)); diff != "" {
					t.Errorf("%v (-want +got):\n%s", path, diff)
				}
			}
		})
	}
}

func BenchmarkRecord(b *testing.B) {
	plain, err := newInstance(openCreate("c", soon)).Encode()
	if err != nil {
		b.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"plain": plain, "with unknown fields": []byte(strings.Replace(string(plain), `"op":{`, `"op":{"later":1,`, 1)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				record, err := routing.DecodeRecord(data)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := record.Encode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
