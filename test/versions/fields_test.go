package versions_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// step is a call in a life, and its status.
type step struct {
	r    harness.Request
	want int
}

// life is all that an instance of an asynchronous plan and its binding go through; each second poll finds an end.
func life(s subject) []step {
	return []step{
		{s.create(), http.StatusAccepted},
		{s.create(), http.StatusAccepted},
		{s.poll(), http.StatusOK},
		{s.poll(), http.StatusOK},
		{s.update(), http.StatusAccepted},
		{s.poll(), http.StatusOK},
		{s.poll(), http.StatusOK},
		{s.bind(), http.StatusAccepted},
		{s.pollBinding(), http.StatusOK},
		{s.pollBinding(), http.StatusOK},
		{s.getBinding(), http.StatusOK},
		{s.unbind(), http.StatusAccepted},
		{s.pollBinding(), http.StatusOK},
		{s.pollBinding(), http.StatusGone},
		{s.unbind(), http.StatusGone},
		{s.delete(), http.StatusAccepted},
		{s.poll(), http.StatusOK},
		{s.poll(), http.StatusGone},
		{s.delete(), http.StatusGone},
		{s.create(), http.StatusAccepted}, // the same id once more
		{s.poll(), http.StatusOK},
		{s.poll(), http.StatusOK},
		{s.get(), http.StatusOK},
	}
}

// TestTwoVersionsShareLives leads lives through an older and a newer gateway in turn. What the newer wrote beside what the
// older knows survives each write of the older.
func TestTwoVersionsShareLives(t *testing.T) {
	t.Parallel()
	const olderCreates = "older creates, newer does the rest"
	w := newWorld(t)
	for name, newerTakes := range map[string]func(step int) bool{
		"newer creates, older does the rest": func(step int) bool { return step == 0 },
		olderCreates:                         func(step int) bool { return step != 0 },
		"in turn, newer first":               func(step int) bool { return step%2 == 0 },
		"in turn, older first":               func(step int) bool { return step%2 == 1 },
		"newer enters, older ends":           func(step int) bool { return step != 3 && step != 6 && step != 9 && step != 17 },
		"older enters, newer ends":           func(step int) bool { return step == 3 || step == 6 || step == 9 || step == 17 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSubject()
			var instance, binding *record
			rewritten := 0
			for n, step := range life(s) {
				g, newer := w.older, newerTakes(n)
				if newer {
					g = w.newer
				}
				w.expect(t, g, step.r, step.want)
				instanceNow, bindingNow := w.records(t, s)
				rewritten += checkWrites(t, n, newer, instance, instanceNow) + checkWrites(t, n, newer, binding, bindingNow)
				instance, binding = instanceNow, bindingNow
			}
			if rewritten == 0 && name != olderCreates {
				t.Error("the older gateway never wrote what the newer had written")
			}
		})
	}
}

// checkWrites compares a record before and after a call: the newer gateway's field counts its own writes only, and is never
// lost. It returns how many of its records the older one wrote.
func checkWrites(t *testing.T, step int, newer bool, before, after *record) (rewritten int) {
	t.Helper()
	if before == nil || after == nil {
		return 0
	}
	count := func(r *record) int {
		if r.Newer == nil {
			return 0
		}
		return r.Newer.Writes
	}
	wrote, want := after.Rev-before.Rev, count(before)
	if newer {
		if after.Life != before.Life {
			want = 0 // whoever makes an instance anew says anew what it knows of it
		}
		want += wrote
	} else if want > 0 {
		rewritten = wrote
	}
	if got := count(after); got != want {
		t.Errorf("step %d, by the newer %t: the newer field counts %d writes after %d, want %d",
			step, newer, got, count(before), want)
	}
	return rewritten
}

// TestFieldsWithinRecords gives a record fields within its operation, its calls and its strays before each call through the
// present gateway. They stay with what they belong to as long as that is there.
func TestFieldsWithinRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newSubject()
	kept := make(map[string]bool)
	for n, step := range life(s) {
		before := w.mark(t, s)
		w.expect(t, w.older, step.r, step.want)
		after := w.parts(t, s)
		for part, id := range before {
			if now, there := after[part]; there && now.id == id.id {
				kept[part[:2]] = true
				if !now.marked {
					t.Errorf("step %d: %s lost its field", n, part)
				}
			}
		}
	}
	for _, kind := range []string{"op", "ca", "st", "re"} {
		if !kept[kind] {
			t.Errorf("nothing that begins with %q was ever kept; got %v", kind, kept)
		}
	}
}

// part is a part of a record that may have fields of its own. One with another id is another part.
type part struct {
	id     string
	marked bool
}

// raw is a record with all that is in it.
type raw struct {
	fields map[string]any
	op     map[string]any
	calls  map[string]any
	strays []any
}

func decodeRaw(t *testing.T, data []byte) raw {
	t.Helper()
	var r raw
	if err := json.Unmarshal(data, &r.fields); err != nil {
		t.Fatal(err)
	}
	r.op, _ = r.fields["op"].(map[string]any)
	r.calls, _ = r.fields["calls"].(map[string]any)
	r.strays, _ = r.fields["strays"].([]any)
	return r
}

const mark = "later_field"

// parts are those of the instance's record.
func (w *world) parts(t *testing.T, s subject) map[string]part {
	t.Helper()
	snapshot, err := w.store.Read(t.Context(), routing.Key{Instance: routing.InstanceID(s.instance)})
	if err != nil {
		t.Fatal(err)
	}
	if snapshot.Instance == nil {
		return nil
	}
	return decodeRaw(t, snapshot.Instance).parts()
}

func (r raw) parts() map[string]part {
	result := map[string]part{"record": {marked: r.fields[mark] != nil}}
	if kind, _ := r.op["kind"].(string); kind != "" {
		seq, _ := json.Marshal(r.op["seq"])
		result["op"] = part{id: kind + string(seq), marked: r.op[mark] != nil}
	}
	for token, call := range r.calls {
		call, _ := call.(map[string]any)
		result["call "+token] = part{marked: call[mark] != nil}
	}
	for _, stray := range r.strays {
		stray, _ := stray.(map[string]any)
		life, _ := stray["life"].(string)
		result["stray "+life] = part{marked: stray[mark] != nil}
	}
	return result
}

// mark gives every part of the record a field, and the record a stray if it has none.
func (w *world) mark(t *testing.T, s subject) map[string]part {
	t.Helper()
	key := routing.Key{Instance: routing.InstanceID(s.instance)}
	snapshot, err := w.store.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if snapshot.Instance == nil {
		return nil
	}
	r := decodeRaw(t, snapshot.Instance)
	if len(r.strays) == 0 {
		r.strays = []any{map[string]any{"backend": "db", "life": "lost"}}
		r.fields["strays"] = r.strays
	}
	value := map[string]any{"of": []int{1, 2}}
	r.fields[mark], r.op[mark] = value, value
	for _, call := range r.calls {
		call.(map[string]any)[mark] = value
	}
	for _, stray := range r.strays {
		stray.(map[string]any)[mark] = value
	}
	data, err := json.Marshal(r.fields)
	if err != nil {
		t.Fatal(err)
	}
	unfinished := map[any]bool{"creating": true, "updating": true, "deleting": true}[r.fields["state"]]
	if _, swapped, err := w.store.Swap(t.Context(), routing.Change{
		Key: key, Old: snapshot, Instance: &routing.Write{Data: data, Unfinished: unfinished},
	}); err != nil || !swapped {
		t.Fatalf("marking the record: %t, %v", swapped, err)
	}
	return r.parts()
}
