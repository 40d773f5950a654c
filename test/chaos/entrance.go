package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// Entrance is the load balancer that platforms call: it gives each call to one of the gateways that listen.
type Entrance struct {
	gateways []*gateway
	history  *History
	// fresh makes a connection for each call, as Cloud Foundry does; kept keeps them, as Korifi does.
	fresh, kept *http.Transport
}

// NewEntrance returns one that writes down what it was told.
func NewEntrance(gateways []*gateway, history *History) *Entrance {
	return &Entrance{
		gateways: gateways, history: history,
		fresh: &http.Transport{DisableKeepAlives: true},
		kept:  &http.Transport{MaxIdleConnsPerHost: 16},
	}
}

// Close closes the connections that are kept.
func (e *Entrance) Close() { e.kept.CloseIdleConnections() }

// Send sends a call, waits for the answer at most as long as the platform does, and writes it down.
func (e *Entrance) Send(rng *rand.Rand, c Call, body string, timeout time.Duration) *Call {
	g := e.choose(rng)
	c.Gateway, c.Sent = g.name, time.Now()
	answer, err := e.exchange(g, &c, body, timeout)
	c.read(answer, err)
	c.Ended = time.Now()
	e.history.Add(c)
	return &c
}

// choose looks for a gateway that listens, and falls back on one that does not.
func (e *Entrance) choose(rng *rand.Rand) *gateway {
	var g *gateway
	for _, n := range rng.Perm(len(e.gateways)) {
		if g = e.gateways[n]; g.link.Listens() {
			break
		}
	}
	return g
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// exchange returns the head of the answer and its body.
func (e *Entrance) exchange(g *gateway, c *Call, body string, timeout time.Duration) (*reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, c.Method, "http://"+g.link.Address()+c.Target, reader)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(c.Platform, harness.Password)
	transport := e.fresh
	if c.Platform == korifi {
		transport = e.kept
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Broker-API-Version", "2.17")
	} else {
		request.Header.Set("Accept", "application/json")
		request.Header.Set("X-Broker-API-Version", "2.15")
		if body != "" {
			request.Header.Set("Content-Type", "application/json")
		}
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return &reply{response.StatusCode, response.Header, content}, err
}

// read makes of an answer what is kept of it.
func (c *Call) read(answer *reply, err error) {
	var network *net.OpError
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded):
		c.Failure = TimedOut
	case errors.As(err, &network) && network.Op == "dial":
		c.Failure = Refused
	default:
		c.Failure = Broken
	}
	if err != nil {
		c.Body = err.Error()
		return
	}
	c.Status, c.Broker, c.Body = answer.status, answer.header.Get(brokerHeader), excerpt(answer.body)
	c.RetryAfterSeconds, _ = strconv.Atoi(answer.header.Get("Retry-After"))
	var fields struct {
		State     string            `json:"state"`
		Error     string            `json:"error"`
		Operation string            `json:"operation"`
		Services  []json.RawMessage `json:"services"`
	}
	c.Object = json.Unmarshal(answer.body, &fields) == nil && strings.HasPrefix(strings.TrimSpace(string(answer.body)), "{")
	c.State, c.Error, c.Operation, c.Offerings = fields.State, fields.Error, fields.Operation, len(fields.Services)
}
