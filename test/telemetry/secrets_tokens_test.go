package telemetry_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// The secrets of callers that have tokens and certificates.
var (
	keysToken   = secret{name: "the token for the keys", value: "token-for-the-keys-marked"}
	claimEmail  = secret{name: "an address in a token", value: "claim-email-marked@example.com"}
	claimWrong  = secret{name: "a claim of a token that is refused", value: "refused-claim-marked"}
	issuerText  = secret{name: "what an issuer says in place of keys", value: "issuer-text-marked"}
	keysQuery   = secret{name: "the query of the URL of keys", value: "query-for-the-keys-marked"}
	tokenQuery  = secret{name: "the query of a token URL", value: "query-for-a-token-marked"}
	clientWord  = secret{name: "the secret of an OAuth client", value: "client-secret-marked", user: "gateway"}
	foreignName = secret{name: "a name in a certificate", value: "certificate-name-marked@example.com"}
)

// TestSecretsOfCallers shows tokens and certificates in every way there is, right and wrong, and looks for them in all
// that came of it.
func TestSecretsOfCallers(t *testing.T) {
	t.Parallel()
	receiver, issuer := otlptest.Start(t), harness.StartIssuer(t)
	broker := startBroker(t, "db")
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(keysToken.value), 0o600); err != nil {
		t.Fatal(err)
	}
	certificate, _, _ := selfSigned(t, foreignName.value)
	_, certificatePEM, keyPEM := selfSigned(t)
	port := strconv.Itoa(harness.ReservePort(t))
	tlsAddress := "broker.example.net:" + port // Caddy compares the host's name with that of the handshake
	const name = "https://issuer.example.net"
	inside := "store memory\nplatform cf {\n\tclient_cert dns:nobody.example.net\n\tunknown_instances reject\n\tjwt " + name +
		" {\n\tjwks_url " + issuer.URL + "\n\tjwks_token {file." + tokenFile + "}\n\taudience osb\n\trequire sub cf\n}\n}\n" +
		"platform both {\n\tunknown_instances reject\n\tjwt " + name + " {\n\tjwks_url {env.KEYS_URL}" +
		"\n\tjwks_token {env.KEYS_TOKEN}\n\taudience osb\n\trequire zone z\n}\n}\n" + broker.Backend("pg", "") +
		"backend tokenless " + broker.URL + " {\n\toauth2 {env.TOKEN_URL} {\n\tclient gateway {env.CLIENT_SECRET}\n}\n}\n"
	options := harness.Options{
		Block: inside, Global: "debug\n" + shippedLog(t), Site: "log\nmetrics /metrics\n", PersistConfig: true,
		Sites: fmt.Sprintf("https://%s {\n\tlog\n\tbind 127.0.0.1\n\ttls %s %s {\n\t\tclient_auth {\n\t\t\tmode request\n\t\t}\n\t}\n\tosb_gateway {\n%s\n}\n}\n",
			tlsAddress, certificatePEM, keyPEM, inside),
		Environment: append(receiver.Env(otlptest.HTTP), "KEYS_TOKEN="+keysToken.value, "KEYS_URL="+issuer.URL+"?key="+keysQuery.value,
			"TOKEN_URL="+issuer.URL+"?key="+tokenQuery.value, "CLIENT_SECRET="+clientWord.value),
	}
	options.Global += "\nauto_https off\n"
	gateway := harness.Start(t, options)

	base := harness.Claims{"iss": name, "aud": "osb", "sub": "cf", "email": claimEmail.value}
	with := func(changes harness.Claims) harness.Claims {
		all := harness.Claims{}
		maps.Copy(all, base)
		maps.Copy(all, changes)
		return all
	}
	var secrets []secret
	var answers strings.Builder
	try := func(what, token string, status int) {
		parts := strings.Split(token, ".")
		secrets = append(secrets, secret{name: what, value: token}, secret{name: "the claims of " + what, value: parts[len(parts)-2]},
			secret{name: "the signature of " + what, value: parts[len(parts)-1]})
		for _, c := range []call{
			newCall("catalog", http.MethodGet, "/v2/catalog", nil, status),
			newCall("fetch_instance", http.MethodGet, instancePath("unknown"), nil, map[bool]int{true: 404, false: status}[status == 200]),
		} {
			c.Request = c.WithToken(token)
			response := c.do(t, gateway)
			fmt.Fprintf(&answers, "%d %v\n%s\n", response.Status, response.Header, response.Body)
		}
	}
	wrong := harness.Claims{"email": claimWrong.value}
	try("a good token", issuer.Token(t, base), 200)
	try("an expired token", issuer.Token(t, with(harness.Claims{"exp": 1, "email": claimWrong.value})), 401)
	try("a token of another issuer", issuer.Token(t, with(harness.Claims{"iss": "https://" + claimWrong.value})), 401)
	try("a token of another audience", issuer.Token(t, with(harness.Claims{"aud": claimWrong.value})), 401)
	try("a token of another subject", issuer.Token(t, with(harness.Claims{"sub": claimWrong.value})), 401)
	try("a token of two platforms", issuer.Token(t, with(harness.Claims{"zone": "z", "email": claimWrong.value})), 401)
	try("a token with an odd time", issuer.Token(t, with(harness.Claims{"exp": claimWrong.value})), 401)
	try("a forged token", issuer.Sign(t, jwt.SigningMethodRS256, harness.NewRSA(t), map[string]any{"kid": issuer.KeyID}, with(wrong)), 401)
	try("a token with an odd header", issuer.Sign(t, jwt.SigningMethodRS256, issuer.Key, map[string]any{"crit": []string{claimWrong.value}}, with(wrong)), 401)
	try("a malformed token", "malformed-token-marked.claims-marked-1.signature-marked-1", 401)

	// The issuer tells what it was sent, in place of keys.
	issuer.Serve(func(w http.ResponseWriter, r *http.Request) {
		if issuer.Asked()%2 == 0 {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, issuerText.value+" "+r.Header.Get("Authorization")+" "+r.URL.RawQuery)
	})
	if err := gateway.Reload(t, harness.Options{
		Block: inside + "catalog {\n\trefresh 1h\n}\n", Global: options.Global, Site: options.Site, Sites: strings.ReplaceAll(options.Sites, inside, inside+"catalog {\n\trefresh 1h\n}\n"),
		PersistConfig: true,
	}); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the issuer to be complained of", func() bool {
		return strings.Contains(gateway.Output(), "the keys of an issuer cannot be read")
	})
	try("a token with a new key", issuer.Sign(t, jwt.SigningMethodRS256, issuer.Key, map[string]any{"kid": "new"}, base), 503)

	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
		},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}}
	defer client.CloseIdleConnections()
	response, err := client.Get("https://" + tlsAddress + "/v2/catalog")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a certificate of nobody: got %d %s, %v", response.StatusCode, body, err)
	}
	fmt.Fprintf(&answers, "%v\n%s\n", response.Header, body)

	saved, err := os.ReadFile(filepath.Join(gateway.Directory, "config", "caddy", "autosave.json"))
	if err != nil {
		t.Fatal(err)
	}
	places := map[string][]byte{
		"metrics": []byte(page(t, gateway.Admin+"/metrics")), "config": []byte(page(t, gateway.Admin+"/config/")),
		"status": []byte(page(t, gateway.Admin+"/osb_gateway/")), "autosaved config": saved, "answers": []byte(answers.String()),
	}
	gateway.Stop(t)
	places["output"], places["texts in the output"] = []byte(gateway.Output()), textsIn(gateway.Output())
	places["spans"] = receiver.Raw()
	report(t, append(secrets, keysToken, keysQuery, tokenQuery, clientWord, claimEmail, claimWrong, issuerText, foreignName), places)
	for place, text := range map[string]string{
		"config": "{env.KEYS_TOKEN}", "autosaved config": "{file." + tokenFile + "}", "answers": "AuthenticationUnavailable",
		"output": "credentials were refused because they stand for several platforms", "texts in the output": "demands extensions",
		"spans": "osb.catalog", "metrics": "caddy_osb_gateway_requests_total", "status": "fetching a token",
	} {
		if !strings.Contains(string(places[place]), text) {
			t.Errorf("%s: %q is not there", place, text)
		}
	}
}

// selfSigned makes a certificate, with the addresses of persons perhaps, and the files of it and its key.
func selfSigned(t *testing.T, emails ...string) (pair tls.Certificate, certificatePEM, keyPEM string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, EmailAddresses: emails,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"broker.example.net"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	certificatePEM, keyPEM = filepath.Join(directory, "certificate"), filepath.Join(directory, "key")
	for path, block := range map[string]*pem.Block{
		certificatePEM: {Type: "CERTIFICATE", Bytes: der}, keyPEM: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, certificatePEM, keyPEM
}
