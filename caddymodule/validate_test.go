package caddymodule_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
)

// listenInVain listens for what nobody should dial.
func listenInVain(t *testing.T) *net.TCPListener {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// checkNotDialled wants that nobody is in the listener's queue.
func checkNotDialled(t *testing.T, what string, listener *net.TCPListener) {
	t.Helper()
	if err := listener.SetDeadline(time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	connection, err := listener.Accept()
	if err == nil {
		_ = connection.Close()
		t.Errorf("%s was dialled", what)
	} else if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("looking whether %s was dialled: %v", what, err)
	}
}

// TestValidateIsOffline validates configurations whose file is locked, and whose Redis and brokers must not be dialled.
func TestValidateIsOffline(t *testing.T) {
	data := useOwnDirectories(t)
	locked := filepath.Join(t.TempDir(), "owners.db")
	held := filestore.New(locked)
	if err := held.Open(); err != nil {
		t.Fatal(err)
	}
	redis, broker := listenInVain(t), listenInVain(t)
	backend := fmt.Sprintf("backend one http://%s\nbackend two https://broker.invalid\n", broker.Addr())
	for _, test := range []struct{ name, store string }{
		{"LockedFile", "store file " + locked},
		{"DefaultFile", ""},
		{"FileInMissingDirectory", "store file /nowhere/at/all/owners.db"},
		{"Redis", fmt.Sprintf("store redis {\n\turl redis://%s\n}", redis.Addr())},
		{"RedisCluster", fmt.Sprintf("store redis {\n\taddress %s\n\tcluster\n}", redis.Addr())},
		{"RedisSentinel", fmt.Sprintf("store redis {\n\taddress %s\n\tsentinel_master m\n}", redis.Addr())},
		{"RedisNowhere", "store redis {\n\taddress redis.invalid\n}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := validate(t, site(test.store+"\n"+platformBlock+backend)); err != nil {
				t.Errorf("validating: %v", err)
			}
		})
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	awaitEndOfGateways(t) // whatever was begun has come to its end
	checkNotDialled(t, "Redis", redis)
	checkNotDialled(t, "the broker", broker)
	if _, err := os.Stat(filepath.Join(data, "osb_gateway")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("validating made the directory of the store: %v", err)
	}
}

// TestValidateName shares a name between handlers.
func TestValidateName(t *testing.T) {
	useOwnDirectories(t)
	file := filepath.Join(t.TempDir(), "owners.db")
	two := func(first, second string) string {
		return quiet + "http://127.0.0.1:8080 {\n\tosb_gateway {\n" + first + platformBlock + backendBlock + "\n}\n}\n" +
			"http://127.0.0.1:8081 {\n\tosb_gateway {\n" + second + platformBlock + backendBlock + "\n}\n}\n"
	}
	t.Run("EqualSettings", func(t *testing.T) {
		if err := validate(t, two("name a\n", "name a\n")); err != nil {
			t.Errorf("validating: %v", err)
		}
	})
	t.Run("OtherSettings", func(t *testing.T) {
		checkProblem(t, validate(t, two("name a\n", "name a\nmax_request_body 2MiB\n")),
			`osb_gateway "a": another osb_gateway of the same name has other settings`, "`name`", "snippet")
	})
	t.Run("OtherTransport", func(t *testing.T) {
		config := two("", "")
		last := strings.LastIndex(config, backendBlock)
		config = config[:last] + strings.TrimSuffix(backendBlock, "\n") + " {\n\ttransport http {\n\t\tversions 1.1\n\t}\n}\n" +
			config[last+len(backendBlock):]
		checkProblem(t, validate(t, config), `osb_gateway "default": another osb_gateway of the same name`)
	})
	t.Run("OtherNames", func(t *testing.T) {
		if err := validate(t, two("name a\n", "name b\n")); err != nil {
			t.Errorf("validating: %v", err)
		}
	})
	t.Run("OtherNamesOneFile", func(t *testing.T) {
		store := "store file " + file + "\n"
		checkProblem(t, validate(t, two("name a\n"+store, "name b\n"+store)),
			"has the same file as its store: a file is for one gateway")
	})
	t.Run("TheDefaultName", func(t *testing.T) {
		checkProblem(t, validate(t, two("", "max_request_body 2MiB\n")), `osb_gateway "default": another osb_gateway of the same name`)
	})
}

// TestValidateWarnsOfSecrets finds the secrets that are written in a configuration.
func TestValidateWarnsOfSecrets(t *testing.T) {
	useOwnDirectories(t)
	t.Setenv("OSB_TEST_PASSWORD", secretPassword)
	const warning = "a secret is written in the configuration"
	redis := func(lines string) string { return "store redis {\n" + lines + "\n}\n" + platformBlock + backendBlock }
	backend := func(lines string) string {
		return platformBlock + "backend one http://127.0.0.1:1 {\n" + lines + "\n}\n"
	}
	for _, test := range []struct{ name, block, setting string }{
		{"RedisPassword", redis("address host\npassword " + secretPassword), "store redis password"},
		{
			"SentinelPassword", redis("address host\nsentinel_master m\nsentinel_password " + secretPassword),
			"store redis sentinel_password",
		},
		{"RedisPlaceholder", redis("address host\npassword {env.OSB_TEST_PASSWORD}"), ""},
		{"RedisURL", redis("url redis://:" + secretPassword + "@host"), "store redis url"},
		{"RedisURLOddPassword", redis("url redis://user:" + secretPassword + "%40@{env.OSB_TEST_PASSWORD}"), "store redis url"},
		{"RedisURLPlaceholder", redis("url redis://user:{env.OSB_TEST_PASSWORD}@host"), ""},
		{"RedisURLWithout", redis("url redis://host:6379/1"), ""},
		{"BasicAuth", backend("basic_auth gateway " + secretPassword), "backend one basic_auth"},
		{"BasicAuthEscaped", backend("basic_auth gateway \"" + secretPassword + `\{\}"`), "backend one basic_auth"},
		{"BasicAuthPlaceholder", backend("basic_auth gateway {env.OSB_TEST_PASSWORD}"), ""},
		{"BearerToken", backend("bearer_token " + secretPassword), "backend one bearer_token"},
		{"BearerTokenPlaceholder", backend("bearer_token {env.OSB_TEST_PASSWORD}"), ""},
		{"OAuth2", backend("oauth2 https://a {\nclient c " + secretPassword + "\n}"), "backend one oauth2 client"},
		{"OAuth2Placeholder", backend("oauth2 https://a {\nclient c {env.OSB_TEST_PASSWORD}\n}"), ""},
		{"IBMIAM", backend("ibm_iam " + secretPassword), "backend one ibm_iam"},
		{"IBMIAMPlaceholder", backend("ibm_iam {env.OSB_TEST_PASSWORD}"), ""},
		{"Header", backend("header X-Api-Key " + secretPassword), "backend one header X-Api-Key"},
		{"HeaderPlaceholder", backend("header X-Api-Key {env.OSB_TEST_PASSWORD}"), ""},
		{"HostHeader", backend("header host broker.internal"), ""},
		{"IdentityKey", "identity_log hash " + secretPassword + "\n" + platformBlock + backendBlock, "identity_log hash"},
		{"IdentityKeyPlaceholder", "identity_log hash {env.OSB_TEST_PASSWORD}\n" + platformBlock + backendBlock, ""},
		{"None", platformBlock + backendBlock, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			config := strings.Replace(site(test.block), "output discard", "output file "+log, 1)
			if err := validate(t, config); err != nil {
				t.Fatalf("validating: %v", err)
			}
			content, err := os.ReadFile(log)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			said := string(content)
			switch {
			case test.setting == "" && strings.Contains(said, warning):
				t.Errorf("there is a warning:\n%s", said)
			case test.setting != "" && !strings.Contains(said, warning), !strings.Contains(said, test.setting):
				t.Errorf("there is no warning about %s:\n%s", test.setting, said)
			case strings.Contains(said, secretPassword):
				t.Errorf("the secret itself is in the log:\n%s", said)
			}
		})
	}
}
