package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// The secrets of the configurations of these tests. No error may repeat one of them.
const (
	secretPassword = "marked-secret"
	// secretHash is a bcrypt hash of secretPassword.
	secretHash = "$2a$04$.35sm89aO6ZNbUAq0.mcAOvG7m5Zo.66JFpJGZvewoIKwtMwhN81y"
)

// The blocks that a configuration needs at least.
const (
	platformBlock = "platform cf {\n\tbasic_auth user " + secretHash + "\n}\n"
	backendBlock  = "backend one http://127.0.0.1:1\n"
)

// quiet are global options with which a configuration neither listens for an administrator nor writes anything.
const quiet = "{\n\tadmin off\n\tpersist_config off\n\tlog {\n\t\toutput discard\n\t}\n}\n"

// site is a Caddyfile with one gateway, whose block has these lines.
func site(block string) string {
	return quiet + "http://127.0.0.1:8080 {\n\tosb_gateway {\n" + block + "\n\t}\n}\n"
}

// validate does what `caddy validate` does. It changes where the process logs to, so its tests are not parallel.
func validate(t *testing.T, input string) error {
	t.Helper()
	config, err := adapt(string(caddyfile.Format([]byte(input))))
	if err != nil {
		return fmt.Errorf("adapting: %w", err)
	}
	return validateConfig(t, config)
}

func validateConfig(t *testing.T, config []byte) error {
	t.Helper()
	var decoded caddy.Config
	if err := caddy.StrictUnmarshalJSON(config, &decoded); err != nil {
		t.Fatalf("reading the configuration: %v", err)
	}
	return caddy.Validate(&decoded)
}

// validateJSON validates a configuration with this gateway in JSON.
func validateJSON(t *testing.T, gateway string) error {
	t.Helper()
	gateway = strings.Replace(gateway, "{", `{"handler": "osb_gateway", `, 1)
	return validateConfig(t, fmt.Appendf(nil, `{
		"admin": {"disabled": true, "config": {"persist": false}},
		"logging": {"logs": {"default": {"writer": {"output": "discard"}}}},
		"apps": {"http": {"servers": {"one": {"listen": ["127.0.0.1:8080"], "routes": [{"handle": [%s]}]}}}}
	}`, gateway))
}

// checkProblem wants an error that says all of this, and no secret.
func checkProblem(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("there is no error, want %q", want)
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got the error\n%v\nwhich does not say %q", err, text)
		}
	}
	for _, secret := range []string{secretPassword, secretHash, secretHash[7:30]} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
}

// useOwnDirectories gives Caddy directories of this test, and returns that of its data.
func useOwnDirectories(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	data := filepath.Join(directory, "data")
	t.Setenv("HOME", directory)
	t.Setenv("XDG_DATA_HOME", data)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(directory, "config"))
	return filepath.Join(data, "caddy")
}

// jsonObject writes a value as JSON.
func jsonObject(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
