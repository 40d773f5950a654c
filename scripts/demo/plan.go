//go:build unix

package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"strconv"

	"golang.org/x/crypto/bcrypt"
)

// The user names of the demo.
const (
	platformUser = "platform"
	gatewayUser  = "gateway"
)

// program is one that the demo starts.
type program struct {
	// name is what it is called in messages; its output goes to <name>.log.
	name string
	args []string
	// env is added to the demo's own environment.
	env []string
	// ready is asked until it is answered with 200.
	ready endpoint
}

// plan lists the programs in the order of their start, and the platform that calls them.
func plan(s settings, directory string) ([]program, caller, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(s.password), bcrypt.DefaultCost)
	if err != nil {
		return nil, caller{}, fmt.Errorf("hashing the platform's password: %w", err)
	}
	// Nobody types the brokers' passwords, so they are new each time.
	postgresPassword, queuePassword := rand.Text(), rand.Text()
	gateway := caller{
		url:      "http://localhost:" + strconv.Itoa(s.gatewayPort),
		user:     platformUser,
		password: s.password,
	}
	programs := []program{
		sampleBroker(s, "postgres", s.postgresPort, postgresPassword),
		sampleBroker(s, "queue", s.queuePort, queuePassword),
		{
			name: "gateway",
			args: []string{
				filepath.Join(s.binaries, "caddy"), "run", "--config", s.caddyfile, "--adapter", "caddyfile",
			},
			env: []string{
				"XDG_DATA_HOME=" + filepath.Join(directory, "data"),
				"XDG_CONFIG_HOME=" + filepath.Join(directory, "config"),
				"OSB_PORT=" + strconv.Itoa(s.gatewayPort),
				"OSB_ADMIN=localhost:" + strconv.Itoa(s.adminPort),
				"OSB_POSTGRES_PORT=" + strconv.Itoa(s.postgresPort),
				"OSB_QUEUE_PORT=" + strconv.Itoa(s.queuePort),
				"OSB_POSTGRES_PASSWORD=" + postgresPassword,
				"OSB_QUEUE_PASSWORD=" + queuePassword,
				"OSB_PLATFORM_PASSWORD_HASH=" + string(hash),
				// Nobody waits for a load balancer to notice here.
				"OSB_SHUTDOWN_DELAY=0s",
			},
			// The catalog is there once both brokers were asked for theirs.
			ready: gateway.endpoint("/v2/catalog"),
		},
	}
	return programs, gateway, nil
}

func sampleBroker(s settings, name string, number int, password string) program {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
	broker := caller{url: "http://" + address, user: gatewayUser, password: password}
	return program{
		name: name,
		args: []string{
			filepath.Join(s.binaries, "samplebroker"),
			"-listen", address,
			"-catalog", filepath.Join(s.catalogs, name+".json"),
			"-user", gatewayUser,
		},
		env:   []string{"SAMPLEBROKER_PASSWORD=" + password},
		ready: broker.endpoint("/v2/catalog"),
	}
}
