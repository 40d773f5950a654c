package ibmsdk

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	user     = "resource-controller"
	password = "platform-password-marked"
	// passwordHash is a bcrypt hash of password, at the least cost.
	passwordHash = "$2a$04$VHKE4UfEPzUaYNhwnpkzpeG9tnpgNijKnPhzhrlIjJeecPRKxV.X6"
	patience     = 2 * time.Minute
)

// startGateway builds the gateway, starts it in front of a broker, and returns its address.
func startGateway(t *testing.T, broker string) string {
	t.Helper()
	home := t.TempDir()
	program := filepath.Join(home, "caddy")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "./cmd/caddy")
	build.Dir = filepath.Join("..", "..")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the gateway: %v\n%s", err, said)
	}
	address := freeAddress(t)
	config := filepath.Join(home, "Caddyfile")
	text := fmt.Sprintf(`{
	admin off
	persist_config off
}
http://%s {
	osb_gateway {
		store memory
		platform ibm {
			basic_auth %s %s
		}
		backend example %s {
			state_response synthesize
		}
	}
}
`, address, user, passwordHash, broker)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := exec.Command(program, "run", "--config", config, "--adapter", "caddyfile")
	gateway.Env = []string{"HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CONFIG_HOME=" + home}
	var said bytes.Buffer // read when the process has ended
	gateway.Stdout, gateway.Stderr = &said, &said
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = gateway.Process.Signal(os.Interrupt)
		_ = gateway.Wait()
		if t.Failed() {
			t.Logf("the gateway said:\n%s", said.String())
		}
	})
	awaitReady(t, "http://"+address+"/healthz/ready")
	return "http://" + address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func awaitReady(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for ; time.Now().Before(deadline); <-ticker.C {
		response, err := http.Get(address)
		if err != nil {
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatal("the gateway is not ready: " + strings.TrimSpace(address))
}
