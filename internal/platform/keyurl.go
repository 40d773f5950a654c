package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

const (
	// maxJWKSBytes bounds a key set.
	maxJWKSBytes = 1 << 20
	// minRefresh and maxRefresh bound how long a key set is kept, whatever its max-age says.
	minRefresh = 5 * time.Minute
	maxRefresh = time.Hour
	// defaultRefresh is for those who say nothing.
	defaultRefresh = 15 * time.Minute
)

// keyURL is where a JSON Web Key Set is found.
type keyURL struct {
	url       string
	transport http.RoundTripper
	// token returns what to authenticate with; nil for nothing.
	token func() (string, error)
}

// checkKeyURL tells what is wrong with the address of a key set. Errors do not repeat it.
func checkKeyURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("jwks_url is malformed")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("jwks_url must begin with https://")
	case u.Hostname() == "":
		return errors.New("jwks_url has no host")
	case u.User != nil:
		return errors.New("jwks_url must not hold a user name or password")
	case u.Fragment != "" || strings.HasSuffix(address, "#"):
		return errors.New("jwks_url must not have a fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("jwks_url must begin with https://: whoever can change the keys on the way can sign tokens; " +
			"http is for this machine only")
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// load fetches the set. It follows no redirects: they would lead to where nobody said that the keys are.
func (u *keyURL) load(ctx context.Context) (loadedKeys, error) {
	keys, err := u.fetch(ctx)
	if err != nil {
		return loadedKeys{}, fmt.Errorf("jwks_url: %w", err)
	}
	return keys, nil
}

func (u *keyURL) fetch(ctx context.Context) (loadedKeys, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url, http.NoBody)
	if err != nil {
		return loadedKeys{}, errors.New("the URL is malformed")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", "osb-gateway")
	if u.token != nil {
		token, err := u.token()
		if err != nil {
			return loadedKeys{}, fmt.Errorf("reading jwks_token: %w", err)
		}
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return loadedKeys{}, errors.New("jwks_token is empty or holds characters that no token has")
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := u.transport.RoundTrip(request)
	if err != nil {
		return loadedKeys{}, &exchangeError{err}
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return loadedKeys{}, fmt.Errorf("the server answered %d", response.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxJWKSBytes+1))
	switch {
	case err != nil:
		return loadedKeys{}, fmt.Errorf("reading the key set: %w", &exchangeError{err})
	case len(data) > maxJWKSBytes:
		return loadedKeys{}, errors.New("the key set is larger than 1 MiB")
	}
	loaded := loadedKeys{named: true, next: refreshAfter(response.Header)}
	loaded.keys, loaded.leftOut, err = parseJWKS(data)
	if err != nil {
		return loadedKeys{}, fmt.Errorf("reading the key set: %w", err)
	}
	return loaded, nil
}

// exchangeError is an error of the transport, told without what the server sent: that may repeat jwks_token.
type exchangeError struct{ err error }

func (e *exchangeError) Error() string { return osb.CauseText(e.err) }

func (e *exchangeError) Unwrap() error { return e.err }

// refreshAfter tells from Cache-Control when a set is to be fetched again.
func refreshAfter(header http.Header) time.Duration {
	after := defaultRefresh
	for _, line := range header.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
			switch name {
			case "no-cache", "no-store":
				return minRefresh
			case "max-age":
				seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
				if err == nil {
					after = time.Duration(seconds) * time.Second
				}
			}
		}
	}
	return min(max(after, minRefresh), maxRefresh)
}
