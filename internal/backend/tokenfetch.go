package backend

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// DefaultIAMURL is where IBM Cloud gives out tokens.
const DefaultIAMURL = "https://iam.cloud.ibm.com/identity/token"

const (
	// maxTokenAnswer bounds the answer of a token server, and maxTokenBytes a token, which must fit into a header.
	maxTokenAnswer = 256 << 10
	maxTokenBytes  = 32 << 10
)

// TokenConfig says where a backend's tokens come from.
type TokenConfig struct {
	// URL is the token endpoint: http or https, without user info or fragment.
	URL *url.URL
	// Grant returns what the server is asked with. It is called for every fetch, so that secrets may change.
	Grant func() (Grant, error)
	// Transport carries the requests; redirects are not followed.
	Transport http.RoundTripper
	// Noted, if set, is told of every new token's end.
	Noted func(until time.Time)
}

// Grant is what a token is asked for with: an API key of IBM Cloud, or an OAuth 2 client and its scopes.
type Grant struct {
	APIKey                 string
	ClientID, ClientSecret string
	Scopes                 []string
}

// String keeps the secrets out of whatever prints a grant.
func (Grant) String() string { return "grant" }

// GoString is String.
func (g Grant) GoString() string { return g.String() }

// tokenServer asks a token endpoint.
type tokenServer struct {
	url       string
	grant     func() (Grant, error)
	transport http.RoundTripper
	// inBody: the server wants the client's secret in the body, and not as Basic credentials.
	inBody atomic.Bool
}

func newTokenServer(c *TokenConfig) (*tokenServer, error) {
	switch u := c.URL; {
	case u == nil:
		return nil, errors.New("the token URL is missing")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the token URL must begin with http:// or https://")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("the token URL has no host")
	case u.User != nil:
		return nil, errors.New("the token URL must not hold a user name or password")
	case u.Fragment != "":
		return nil, errors.New("the token URL must not have a fragment")
	case c.Grant == nil || c.Transport == nil:
		return nil, errors.New("the token server needs a grant and a transport")
	}
	return &tokenServer{url: c.URL.String(), grant: c.Grant, transport: c.Transport}, nil
}

// fetch asks for a token. Its errors hold no secret and nothing that the server is free to write.
func (s *tokenServer) fetch(ctx context.Context) (string, time.Duration, error) {
	grant, err := s.grant()
	if err != nil {
		return "", 0, err
	}
	inBody := s.inBody.Load()
	value, life, err := s.ask(ctx, grant, inBody)
	var refused *tokenRefusedError
	if grant.APIKey != "" || !errors.As(err, &refused) || !refused.ofClient() {
		return value, life, err
	}
	// RFC 6749 has servers take Basic credentials; some take the secret in the body alone. What worked is kept.
	value, life, other := s.ask(ctx, grant, !inBody)
	if other != nil {
		return "", 0, err
	}
	s.inBody.Store(!inBody)
	return value, life, nil
}

// ask sends one request.
func (s *tokenServer) ask(ctx context.Context, grant Grant, inBody bool) (string, time.Duration, error) {
	form := make(url.Values)
	if grant.APIKey != "" {
		form.Set("grant_type", "urn:ibm:params:oauth:grant-type:apikey")
		form.Set("apikey", grant.APIKey)
	} else {
		form.Set("grant_type", "client_credentials")
		if len(grant.Scopes) > 0 {
			form.Set("scope", strings.Join(grant.Scopes, " "))
		}
		if inBody {
			form.Set("client_id", grant.ClientID)
			form.Set("client_secret", grant.ClientSecret)
		}
	}
	body := []byte(form.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return "", 0, errors.New("the token URL is not valid")
	}
	req.GetBody = nil
	req.Header = http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {osb.ContentTypeJSON},
		"Accept-Encoding": {"identity"}, "User-Agent": nil,
	}
	if grant.APIKey == "" && !inBody {
		user := url.QueryEscape(grant.ClientID) + ":" + url.QueryEscape(grant.ClientSecret)
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user)))
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return "", 0, fmt.Errorf("no answer: %s", osb.CauseText(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer+1))
	switch {
	case err != nil:
		return "", 0, fmt.Errorf("reading the answer: %s", osb.CauseText(err))
	case len(answer) > maxTokenAnswer:
		return "", 0, fmt.Errorf("the answer is larger than %d bytes", maxTokenAnswer)
	case resp.StatusCode != http.StatusOK:
		return "", 0, newTokenRefusal(resp, answer)
	}
	return readToken(answer)
}

// tokenRefusedError is an answer of a token server that has no token.
type tokenRefusedError struct {
	status int
	// code is what the server says is wrong, if it is one of those that RFC 6749 knows.
	code string
}

// tokenErrors are the errors of RFC 6749, section 5.2. Others are not repeated: a server may quote what it was sent.
var tokenErrors = map[string]bool{
	"invalid_request": true, "invalid_client": true, "invalid_grant": true, "unauthorized_client": true,
	"unsupported_grant_type": true, "invalid_scope": true,
}

func newTokenRefusal(resp *http.Response, answer []byte) *tokenRefusedError {
	refusal := &tokenRefusedError{status: resp.StatusCode}
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(answer, &said) == nil && tokenErrors[said.Error] {
		refusal.code = said.Error
	}
	return refusal
}

// ofClient tells whether the server does not know the client, or not in this way.
func (e *tokenRefusedError) ofClient() bool {
	return e.status == http.StatusUnauthorized ||
		e.status == http.StatusBadRequest && (e.code == "invalid_client" || e.code == "invalid_request")
}

func (e *tokenRefusedError) Error() string {
	switch {
	case e.code != "":
		return fmt.Sprintf("the token server answered %d, %s", e.status, e.code)
	case e.status/100 == 3:
		return fmt.Sprintf("the token server answered %d: redirects are not followed; check the token URL", e.status)
	case e.status == http.StatusUnauthorized || e.status == http.StatusForbidden || e.status == http.StatusBadRequest:
		return fmt.Sprintf("the token server answered %d: check the secret", e.status)
	}
	return fmt.Sprintf("the token server answered %d", e.status)
}

// readToken reads the answer of a token server.
func readToken(answer []byte) (string, time.Duration, error) {
	var said struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	if json.Unmarshal(answer, &said) != nil {
		return "", 0, errors.New("the token server's answer is not what RFC 6749 has")
	}
	switch {
	case said.AccessToken == "":
		return "", 0, errors.New("the token server's answer has no access_token")
	case len(said.AccessToken) > maxTokenBytes:
		return "", 0, fmt.Errorf("the token is larger than %d bytes", maxTokenBytes)
	case !isBearerToken(said.AccessToken):
		return "", 0, errors.New("the token cannot be sent in a header")
	case said.TokenType != "" && !strings.EqualFold(said.TokenType, "bearer"):
		return "", 0, errors.New("the token is not a bearer token")
	}
	life, err := readLife(said.ExpiresIn)
	return said.AccessToken, life, err
}

// readLife reads how many seconds a token lives: a number, or a number in a string, as some servers have it. Nothing,
// null and 0 mean that the server does not say it.
func readLife(raw json.RawMessage) (time.Duration, error) {
	text := string(raw)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = strings.TrimSpace(unquoted)
	}
	if text == "" || text == "null" {
		return assumedLife, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) && seconds > 0:
		return maxLife, nil
	case err != nil || seconds < 0 || seconds != seconds:
		return 0, errors.New("the token's expires_in is not a number of seconds")
	case seconds == 0:
		return assumedLife, nil
	case seconds >= maxLife.Seconds():
		return maxLife, nil
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
