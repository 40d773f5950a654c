package e2e_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestFileIsRefused starts a gateway on files that it must not touch. It does not start, says which file and why, and leaves
// the file as it is. With the file as it was, or another, it starts.
func TestFileIsRefused(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	file := filepath.Join(t.TempDir(), "ownership.db")
	w.start(t, harness.Options{Block: w.block("store file " + file)})
	all := w.populate(t)
	w.Stop(t)
	own, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pageSize := os.Getpagesize()
	for _, test := range []struct {
		name    string
		content func() []byte
		want    string
	}{
		{"Foreign", func() []byte { return []byte("my shopping list\n") }, "no ownership store"},
		{"Truncated", func() []byte { return own[:len(own)/2] }, "damaged"},
		{"Damaged", func() []byte {
			content := bytes.Clone(own)
			clear(content[:2*pageSize])
			return content
		}, "damaged"},
		{"NewerLayout", func() []byte { return newerLayout(t, own) }, "use the newer gateway that wrote it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "ownership.db")
			content := test.content()
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			refusing := harness.Launch(t, harness.Options{Block: w.block("store file " + path)})
			if code := refusing.AwaitEnd(t); code == 0 {
				t.Error("got exit code 0, want another")
			}
			said := refusing.Output()
			if !strings.Contains(said, path) || !strings.Contains(said, test.want) || !strings.Contains(said, "left as it is") {
				t.Errorf("the gateway does not say that %s is refused because %q:\n%s", path, test.want, said)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(content, after) {
				t.Errorf("the file was changed (%v)", err)
			}
			if err := os.WriteFile(path, own, 0o600); err != nil {
				t.Fatal(err)
			}
			refusing.Restart(t)
			for _, o := range all {
				if answer := refusing.Do(t, get(instancePath(o.instance))); answer.Status != http.StatusOK {
					t.Errorf("on the file as it was: got %d %s, want 200", answer.Status, answer.Body)
				}
			}
		})
	}
}

// newerLayout gives a file of the store the mark of a later layout.
func newerLayout(t *testing.T, own []byte) []byte {
	t.Helper()
	// The value stands right behind its key, in each page that ever held it; these pages have no checksums.
	content := bytes.ReplaceAll(own, []byte("version1"), []byte("version2"))
	if bytes.Equal(content, own) {
		t.Fatal("the file holds no version of its layout")
	}
	return content
}

// TestCommandsBesideARunningGateway validates and adapts the configuration of a gateway that runs, on the file that it has
// open, and one whose store cannot be reached at all.
func TestCommandsBesideARunningGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fileStore)
	all := w.populate(t)
	config := filepath.Join(w.Directory, "Caddyfile")
	for _, command := range []string{"validate", "adapt"} {
		if said, err := w.Caddy(t, command, "--config", config, "--adapter", "caddyfile"); err != nil {
			t.Errorf("caddy %s beside the running gateway: %v\n%s", command, err, said)
		}
	}
	w.findAll(t, w.Gateway, all)

	elsewhere := filepath.Join(t.TempDir(), "never", "ownership.db")
	for _, store := range []string{"store file " + elsewhere, "store redis {\n\taddress 127.0.0.1:1\n}"} {
		options := w.options
		options.Block = w.block(store)
		other := filepath.Join(t.TempDir(), "caddy.json")
		if err := os.WriteFile(other, w.Adapt(t, options), 0o600); err != nil {
			t.Fatal(err)
		}
		if said, err := w.Caddy(t, "validate", "--config", other); err != nil {
			t.Errorf("caddy validate with %s: %v\n%s", store, err, said)
		}
	}
	if _, err := os.Stat(filepath.Dir(elsewhere)); !os.IsNotExist(err) {
		t.Errorf("validating made %s (%v)", filepath.Dir(elsewhere), err)
	}
	w.removeAll(t, w.Gateway, all)
}
