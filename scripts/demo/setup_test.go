//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listen takes a free port until the test ends.
func listen(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().(*net.TCPAddr).Port
}

func TestCheckPorts(t *testing.T) {
	t.Parallel()
	taken := listen(t)
	free := 0
	for candidate := 20000; free == 0; candidate++ {
		if checkAddress(fmt.Sprintf("127.0.0.1:%d", candidate)) == nil {
			free = candidate
		}
	}
	tests := []struct {
		name      string
		ports     []port
		wantError string
	}{
		{"Taken", []port{{"PORT", taken}}, fmt.Sprintf("port %d is not free", taken)},
		{"Advice", []port{{"ADMIN_PORT", taken}}, "make run ADMIN_PORT="},
		{"Twice", []port{{"PORT", free}, {"BROKER1_PORT", free}}, "PORT and BROKER1_PORT are both"},
		{"Zero", []port{{"PORT", 0}}, "PORT=0 is no port"},
		{"TooLarge", []port{{"PORT", 65536}}, "PORT=65536 is no port"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := checkPorts(test.ports)
			if err == nil || !strings.Contains(err.Error(), test.wantError) {
				t.Fatalf("checkPorts: got %v, want an error with %q", err, test.wantError)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("checkPorts: got %q, want one line", err)
			}
		})
	}
}

func TestCheckAddressFree(t *testing.T) {
	t.Parallel()
	if err := checkAddress("127.0.0.1:0"); err != nil {
		t.Errorf("checkAddress of any free port: got %v, want nil", err)
	}
	// 192.0.2.0/24 is for documentation: no machine has such an address.
	if err := checkAddress("192.0.2.1:0"); err != nil {
		t.Errorf("checkAddress of a foreign address: got %v, want nil", err)
	}
}

func TestBeginAnew(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "run")
	unlock, err := beginAnew(directory)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(directory, "data", "left.db")
	if err := os.MkdirAll(filepath.Dir(left), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := beginAnew(directory); err == nil || !strings.Contains(err.Error(), "another make run") {
		t.Errorf("beginAnew in a folder that is in use: got %v, want an error", err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("beginAnew in a folder that is in use removed a file: %v", err)
	}

	unlock()
	unlock, err = beginAnew(directory)
	if err != nil {
		t.Fatalf("beginAnew after the other one ended: %v", err)
	}
	defer unlock()
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("beginAnew left an old file there: %v", err)
	}
}

func TestBeginAnewForeignFolder(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	precious := filepath.Join(directory, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := beginAnew(directory); err == nil || !strings.Contains(err.Error(), "RUN_DIR") {
		t.Errorf("beginAnew in a folder of somebody else's: got %v, want an error", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("beginAnew removed a foreign file: %v", err)
	}
}
