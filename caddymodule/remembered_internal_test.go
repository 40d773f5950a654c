package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRememberedStore writes what is remembered, and reads what others left.
func TestRememberedStore(t *testing.T) {
	t.Parallel()
	file := rememberedStore(filepath.Join(t.TempDir(), "not", "there", "default.store"))
	if id, err := file.read(); id != "" || err != nil {
		t.Errorf("nothing was written, and it reads %q, %v", id, err)
	}
	for _, want := range []string{"one", "two"} {
		if err := file.write(want); err != nil {
			t.Fatal(err)
		}
		if id, err := file.read(); id != want || err != nil {
			t.Errorf("read %q, %v, want %q", id, err, want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(string(file)))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v, want the file alone", entries, err)
	}
	for content, want := range map[string]string{
		"":                         "default.store",
		`{"v":1}`:                  "damaged",
		`{"v":2,"store_id":"one"`:  "default.store",
		`{"v":2,"store_id":"one"}`: "newer",
	} {
		if err := os.WriteFile(string(file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		id, err := file.read()
		if id != "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q reads %q, %v, want an error that says %q", content, id, err, want)
		}
	}
	if id, err := rememberedStore("").read(); id != "" || err != nil || rememberedStore("").write("x") != nil {
		t.Errorf("nothing is remembered, and it reads %q, %v", id, err)
	}
}

// FuzzRememberedStore: whatever the file holds, it is an identity or an error.
func FuzzRememberedStore(f *testing.F) {
	f.Add([]byte(`{"v":1,"store_id":"one"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := rememberedStore(filepath.Join(t.TempDir(), "default.store"))
		if err := os.WriteFile(string(file), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if id, err := file.read(); (id == "") != (err != nil) {
			t.Errorf("%q reads %q, %v", data, id, err)
		}
	})
}
