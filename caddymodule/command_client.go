package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// maxAdminAnswerBytes bounds what is read of an answer.
const maxAdminAnswerBytes = 64 << 20

// adminClient asks the admin endpoint of a running Caddy.
type adminClient struct {
	// address is the endpoint as messages name it, origin its URL.
	address, origin string
	// unix: it is a unix socket, where Caddy has no use for an Origin.
	unix   bool
	client http.Client
}

// newAdminClient returns a client for an admin endpoint, given as Caddy's configuration has it: host:port, or a unix
// socket with or without permissions.
func newAdminClient(address string) (*adminClient, error) {
	address, err := caddy.NewReplacer().ReplaceOrErr(address, true, true)
	if err != nil {
		return nil, fmt.Errorf("the admin endpoint's address: %w", err)
	}
	parsed, err := caddy.ParseNetworkAddressWithDefaults(address, "tcp", 2019)
	if err != nil || parsed.PortRangeSize() > 1 {
		return nil, fmt.Errorf("%q is no address of an admin endpoint: it is host:port, or unix//path/to/socket", address)
	}
	c := &adminClient{address: address}
	network, target := parsed.Network, parsed.JoinHostPort(0)
	if parsed.IsUnixNetwork() {
		target, _, _ = strings.Cut(target, "|") // what comes after it are permissions
		c.origin, c.unix = "http://127.0.0.1", true
	} else {
		c.origin = "http://" + target
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	c.client.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, target)
		},
	}
	c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// ask sends a request and returns the answer. The error says what to do.
func (c *adminClient) ask(ctx context.Context, method, path string, query url.Values) ([]byte, error) {
	target := c.origin + adminPath + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, fmt.Errorf("%q is no address of an admin endpoint: %w", c.address, err)
	}
	if !c.unix {
		request.Header.Set("Origin", c.origin)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, c.unreached(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAdminAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of the admin endpoint %s: %w", c.address, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, c.refused(response, answer)
	}
	return answer, nil
}

// unreached says why there was no answer.
func (c *adminClient) unreached(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // the URL says nothing that the address does not
	}
	return fmt.Errorf("Caddy's admin endpoint %s cannot be reached: %w\n"+ //nolint:staticcheck // it begins with a name
		"Does Caddy run on this machine, and may this user reach its endpoint? An address other than localhost:2019 is given "+
		"with --address, or with --config and Caddy's configuration. With `admin off` in that there is no endpoint", c.address, err)
}

// refused says why the answer is none.
func (c *adminClient) refused(response *http.Response, answer []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	isJSON := json.Unmarshal(answer, &said) == nil && said.Error != ""
	switch {
	case isJSON && response.StatusCode == http.StatusForbidden:
		return fmt.Errorf("the admin endpoint %s refuses: %s. Use the address as Caddy's configuration has it, or add this one "+
			"to its `origins`", c.address, said.Error)
	case isJSON:
		return errors.New(said.Error)
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("the admin endpoint %s does not know %s: it is a Caddy without this module, or no Caddy",
			c.address, adminPath)
	}
	return fmt.Errorf("the admin endpoint %s answered %s: %w", c.address, response.Status, errForeignAnswer)
}
