package samplebroker

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestDecodeObject(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		content string
		want    error
	}{
		{`{}`, nil},
		{` {"a":{"a":[{"a":"a"},{"a":"a"}]},"b":"b"} `, nil},
		{`{"a":["a","a"],"b":{},"c":[]}`, nil},
		{`{"a":1,"A":1}`, nil},
		{`{"a":1,"a":1}`, errTwice},
		{`{"a":1,"\u0061":1}`, errTwice},
		{`{"x":[[{"a":{},"b":0,"a":[]}]]}`, errTwice},
		{`{"x":{"y":1},"x":1}`, errTwice},
		{`{"":1,"":1}`, errTwice},
		{`[]`, errNotObject},
		{`null`, errNotObject},
		{`1`, errNotObject},
		{``, errNotJSON},
		{`{}{}`, errNotJSON},
		{`{"a":01}`, errNotJSON},
		{"{\"a\":\"\xc0\"}", errNotJSON},
	} {
		if _, err := decodeObject([]byte(test.content)); !errors.Is(err, test.want) {
			t.Errorf("%s: got error %v, want %v", test.content, err, test.want)
		}
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{``, `{}`, true},
		{`null`, ` { } `, true},
		{`{"a":1,"b":[1,{"c":null}]}`, `{ "b" : [1, {"c":null}], "a" : 1 }`, true},
		{`{"a":12345678901234567890}`, `{"a":12345678901234567891}`, false},
		{`{"a":1}`, `{"a":"1"}`, false},
		{`{"a":null}`, `{}`, false},
		{`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{`{"a":"\u0041<"}`, `{"a":"A\u003c"}`, true},
	} {
		if got := canonical(json.RawMessage(test.a)) == canonical(json.RawMessage(test.b)); got != test.want {
			t.Errorf("%s and %s: got equal %v, want %v", test.a, test.b, got, test.want)
		}
	}
}

func TestGraveyard(t *testing.T) {
	t.Parallel()
	var g graveyard
	for range maxGraves {
		if id, full := g.bury("x"); full {
			t.Fatalf("got %q to forget before it was full", id)
		}
	}
	if id, full := g.bury("y"); !full || id != "x" {
		t.Errorf("got %q, %v to forget, want the oldest", id, full)
	}
}
