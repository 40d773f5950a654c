package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func (s *suite) documents(t *testing.T) {
	store := s.start(t)
	want := func(got routing.Document, swapped bool, wantSwapped bool, want routing.Document) {
		t.Helper()
		if diff := documentDiff(want, got); diff != "" || swapped != wantSwapped {
			t.Errorf("SwapDocument returns %t, want %t; %s", swapped, wantSwapped, diff)
		}
	}
	wantDocument(t, store, "d", routing.Document{})

	absent := routing.Document{}
	got, swapped := swapDocument(t, store, "d", 1, []byte("x"))
	want(got, swapped, false, absent)
	wantDocument(t, store, "d", absent)

	one := routing.Document{Version: 1, Data: []byte("one")}
	got, swapped = swapDocument(t, store, "d", 0, one.Data)
	want(got, swapped, true, one)
	wantDocument(t, store, "d", one)

	for _, version := range []uint64{0, 2, 3, 1 << 40, 1<<64 - 1} {
		got, swapped = swapDocument(t, store, "d", version, []byte("x"))
		want(got, swapped, false, one)
	}
	wantDocument(t, store, "d", one)

	last := one
	for version := uint64(2); version < 20; version++ {
		next := routing.Document{Version: version, Data: fmt.Appendf(nil, "content %d", version)}
		got, swapped = swapDocument(t, store, "d", last.Version, next.Data)
		want(got, swapped, true, next)
		got, swapped = swapDocument(t, store, "d", last.Version, []byte("x"))
		want(got, swapped, false, next)
		last = next
	}
	wantDocument(t, store, "d", last)

	// A document without content exists.
	empty := routing.Document{Version: last.Version + 1}
	got, swapped = swapDocument(t, store, "d", last.Version, nil)
	want(got, swapped, true, empty)
	wantDocument(t, store, "d", empty)
	got, swapped = swapDocument(t, store, "d", 0, []byte("x"))
	want(got, swapped, false, empty)
}

func (s *suite) documentNames(t *testing.T) {
	store := s.start(t)
	names := oddStrings()
	seen := make(map[string]bool)
	for i, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		document, swapped := swapDocument(t, store, name, 0, fmt.Append(nil, i))
		if !swapped {
			t.Errorf("%.80q has version %d before it was written: another name is taken for it", name, document.Version)
		}
	}
	clear(seen)
	for i, name := range names {
		if !seen[name] {
			wantDocument(t, store, name, routing.Document{Version: 1, Data: fmt.Append(nil, i)})
		}
		seen[name] = true
	}
	// Documents and records do not share names.
	wantRead(t, store, routing.Key{Instance: "a", Binding: "a"}, nil, nil)
}

func (s *suite) largeDocuments(t *testing.T) {
	store := s.start(t)
	const size = 8 << 20
	for version := range uint64(3) {
		data := bytes.Repeat([]byte{byte(version), 0, '\r', '\n', 0xff, 'x', 'y', 'z'}, size/8)
		document, swapped := swapDocument(t, store, "catalog", version, data)
		if diff := documentDiff(routing.Document{Version: version + 1, Data: data}, document); !swapped || diff != "" {
			t.Fatalf("SwapDocument returns %t; %s", swapped, diff)
		}
		wantDocument(t, store, "catalog", document)
		document, swapped = swapDocument(t, store, "catalog", version, []byte("x"))
		if diff := documentDiff(routing.Document{Version: version + 1, Data: data}, document); swapped || diff != "" {
			t.Fatalf("SwapDocument with an old version returns %t; %s", swapped, diff)
		}
	}
	document, _ := swapDocument(t, store, "catalog", 3, []byte("small again"))
	wantDocument(t, store, "catalog", document)
}
