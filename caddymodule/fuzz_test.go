package caddymodule_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/caddymodule"
)

// FuzzCaddyfile reads directives. None may panic, and one that is accepted is the same after a way through JSON.
func FuzzCaddyfile(f *testing.F) {
	for _, file := range goldenFiles(f) {
		input, _ := readGolden(f, file)
		begin, end := strings.Index(input, "osb_gateway"), strings.LastIndex(input, "\n}")
		if begin < 0 || end < begin {
			f.Fatalf("%s has no directive", file)
		}
		f.Add(input[begin:end])
	}
	f.Fuzz(func(t *testing.T, input string) {
		tokens, err := caddyfile.Tokenize([]byte(input), "Caddyfile")
		if err != nil {
			return
		}
		var read caddymodule.Gateway
		if err := read.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)); err != nil {
			if err.Error() == "" {
				t.Error("the error says nothing")
			}
			return
		}
		data, err := json.Marshal(&read)
		if err != nil {
			t.Fatalf("what was accepted cannot be written: %v", err)
		}
		var back caddymodule.Gateway
		if err := caddy.StrictUnmarshalJSON(data, &back); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, data)
		}
		if difference := cmp.Diff(read, back, cmpopts.IgnoreUnexported(caddymodule.Gateway{})); difference != "" {
			t.Errorf("it is not the same after a way through JSON (-read +back):\n%s", difference)
		}
	})
}
