package samplebroker

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
)

// credentials are those of a binding. They open nothing: the host is in a domain that nobody can have.
type credentials struct {
	URI      string `json:"uri"`
	Username string `json:"username"`
	Password string `json:"password"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Database string `json:"database"`
}

type endpoint struct {
	Host     string   `json:"host"`
	Ports    []string `json:"ports"`
	Protocol string   `json:"protocol"`
}

type volumeMount struct {
	Driver       string `json:"driver"`
	ContainerDir string `json:"container_dir"`
	Mode         string `json:"mode"`
	DeviceType   string `json:"device_type"`
	Device       device `json:"device"`
}

type device struct {
	VolumeID string `json:"volume_id"`
}

// servicePort is the port of all services that do not exist.
const servicePort = 5432

var urlScheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)

// generate makes what a binding is answered with. What the offering does not require in its catalog entry must not be
// in it (§ Binding).
func (b *Broker) generate(i *instance, bound *binding, o *offering) bindingBody {
	b.users++
	digest := sha256.Sum256([]byte(i.id))
	short := hex.EncodeToString(digest[:6])
	c := &credentials{
		Username: fmt.Sprintf("user-%d", b.users),
		Password: rand.Text(),
		Host:     "s-" + short + ".samplebroker.example",
		Port:     servicePort,
		Database: "db_" + short,
	}
	port := strconv.Itoa(c.Port)
	uri := url.URL{
		Scheme: "service",
		User:   url.UserPassword(c.Username, c.Password),
		Host:   net.JoinHostPort(c.Host, port),
		Path:   "/" + c.Database,
	}
	if urlScheme.MatchString(o.name) {
		uri.Scheme = o.name
	}
	c.URI = uri.String()
	body := bindingBody{
		Credentials: c,
		Endpoints:   []endpoint{{Host: c.Host, Ports: []string{port}, Protocol: "tcp"}},
	}
	if slices.Contains(o.requires, "syslog_drain") {
		body.SyslogDrainURL = "syslog-tls://" + c.Host + ":6514"
	}
	if slices.Contains(o.requires, "route_forwarding") && hasRoute(bound.bindResource) {
		body.RouteServiceURL = "https://" + c.Host
	}
	if slices.Contains(o.requires, "volume_mount") {
		body.VolumeMounts = []volumeMount{{
			Driver: "nfs", ContainerDir: "/var/vcap/data/" + short, Mode: "rw", DeviceType: "shared",
			Device: device{VolumeID: short},
		}}
	}
	return body
}

func hasRoute(bindResource json.RawMessage) bool {
	if isNull(bindResource) {
		return false
	}
	var resource object
	if err := json.Unmarshal(bindResource, &resource); err != nil {
		return false
	}
	route, err := resource.text("route")
	return err == nil && route != ""
}
