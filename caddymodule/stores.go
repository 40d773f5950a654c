package caddymodule

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// flushTimeout bounds how long a store that nobody uses any more waits for outcomes to be written.
const flushTimeout = 10 * time.Second

// stores holds the open stores by their settings. A configuration takes its store before the one before it lets go, so
// a reload keeps the store, its connections and the outcomes that wait to be written.
var stores = caddy.NewUsagePool()

// storeSettings are a store's resolved settings. They are the store's identity in the pool.
type storeSettings struct {
	Kind, Gateway      string
	Path               string
	URL                string
	Addresses          []string
	Cluster            bool
	SentinelMaster     string
	SentinelUsername   string
	SentinelPassword   string
	Username, Password string
	DB                 int
	TLS                *StoreTLSConfig
	// TLSContent is a digest of what the files of TLS hold: a renewed certificate makes another store.
	TLSContent string
	KeyPrefix  string
	Timeout    time.Duration
	// WaitReplicas is nil for what the store takes by itself, and WaitTimeout is 0 likewise.
	WaitReplicas *int
	WaitTimeout  time.Duration

	tls *tls.Config
}

func (c *StoreConfig) resolve(r *resolver, gateway string) storeSettings {
	if c == nil {
		c = &StoreConfig{}
	}
	s := storeSettings{Kind: orDefault(r.text("store", c.Kind), "file"), Gateway: gateway}
	switch s.Kind {
	case "file":
		s.Path = r.text("store file", c.Path)
		if s.Path == "" {
			s.Path = filepath.Join(caddy.AppDataDir(), "osb_gateway", gateway+".db")
		}
		absolute, err := filepath.Abs(s.Path)
		if err != nil {
			r.fail("store file: %w", err)
		}
		s.Path = absolute
	case "memory":
	case "redis":
		c.resolveRedis(r, &s)
	default:
		r.fail("store %q: it is `file`, `redis` or `memory`", s.Kind)
	}
	if s.Kind != "file" && c.Path != "" {
		r.fail("store %s takes no path", s.Kind)
	}
	ofRedis := *c
	ofRedis.Kind, ofRedis.Path = "", ""
	if s.Kind != "redis" && !reflect.ValueOf(ofRedis).IsZero() {
		r.fail("store %s takes none of the settings of `redis`", s.Kind)
	}
	return s
}

func (c *StoreConfig) resolveRedis(r *resolver, s *storeSettings) {
	s.URL = r.secret("store redis url", c.URL)
	s.Addresses = r.texts("store redis address", c.Addresses)
	s.Cluster = c.Cluster
	s.SentinelMaster = r.text("store redis sentinel_master", c.SentinelMaster)
	s.SentinelUsername = r.text("store redis sentinel_username", c.SentinelUsername)
	s.SentinelPassword = r.secret("store redis sentinel_password", c.SentinelPassword)
	s.Username = r.text("store redis username", c.Username)
	s.Password = r.secret("store redis password", c.Password)
	s.DB = r.number("store redis db", c.DB, 0, 1<<20)
	s.KeyPrefix = orDefault(r.text("store redis key_prefix", c.KeyPrefix), defaultKeyPrefix)
	s.Timeout = r.duration("store redis timeout", c.Timeout, defaultStoreTimeout)
	if c.WaitReplicas != "" {
		replicas := r.number("store redis wait_replicas", c.WaitReplicas, 0, 1<<10)
		s.WaitReplicas = &replicas
	}
	s.WaitTimeout = r.duration("store redis wait_replicas", c.WaitReplicasTimeout, 0)
	if c.TLS != nil {
		s.TLS = &StoreTLSConfig{
			CA:          r.text("store redis tls ca", c.TLS.CA),
			Certificate: r.text("store redis tls cert", c.TLS.Certificate),
			Key:         r.text("store redis tls key", c.TLS.Key),
			ServerName:  r.text("store redis tls server_name", c.TLS.ServerName),
		}
		if r.ok() {
			s.loadTLS(r)
		}
	}
	switch {
	case s.URL == "" && len(s.Addresses) == 0:
		r.fail("store redis: say where it is with `url` or `address`")
	case s.URL != "" && len(s.Addresses) > 0:
		r.fail("store redis: `url` and `address` exclude each other")
	case len(s.Addresses) > 1 && !s.Cluster && s.SentinelMaster == "":
		r.fail("store redis: one `address` is a single server; several need `cluster` or `sentinel_master`")
	case s.Cluster && s.SentinelMaster != "":
		r.fail("store redis: `cluster` and `sentinel_master` exclude each other")
	case s.SentinelMaster == "" && (s.SentinelUsername != "" || s.SentinelPassword != ""):
		r.fail("store redis: `sentinel_username` and `sentinel_password` need `sentinel_master`")
	case s.SentinelMaster != "" && s.URL != "":
		r.fail("store redis: a `url` is one server; give the sentinels with `address`")
	case s.Cluster && s.DB != 0:
		r.fail("store redis: a cluster has db 0 only; remove `db`")
	case s.WaitReplicas == nil && s.WaitTimeout != 0:
		r.fail("store redis: `wait_replicas` has a timeout and no number")
	case s.WaitTimeout >= s.Timeout:
		r.fail("store redis wait_replicas: its timeout, %s, is not shorter than `timeout`, %s", s.WaitTimeout, s.Timeout)
	}
}

// key is the settings as a key of the pool; it does not give the password away.
func (s *storeSettings) key() (string, error) {
	data, err := json.Marshal(s) //nolint:gosec // only its hash is used
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// sharedStore is a store in the pool, with the ledger that runs on it.
type sharedStore struct {
	store  routing.Store
	ledger *routing.Ledger
	// open opens the file of an embedded store; it does nothing when it is open already.
	open    func() error
	key     string
	gateway string
	// mark is how gateways of this name on this store know their own calls again.
	mark     atomic.Pointer[gatewayMark]
	identity *storeIdentity
	warnings *storeWarnings
	outage   outage
	givenUp  givenUp
	// counting holds one place: a census is a burden, so one at a time is taken.
	counting chan struct{}
	names    nameRegistry

	// observer is the gateway whose log, metrics and spans tell of the store's work: the one that was started last. The
	// store outlives configurations, and with them their loggers.
	observer atomic.Pointer[runtime]
	mu       sync.Mutex
	started  []*runtime
}

// join has a gateway that starts observe the store.
func (s *sharedStore) join(rt *runtime) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = append(s.started, rt)
	s.observer.Store(rt)
}

// leave hands the observation over when a gateway stops. The last one keeps it.
func (s *sharedStore) leave(rt *runtime) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = slices.DeleteFunc(s.started, func(other *runtime) bool { return other == rt })
	if last := len(s.started) - 1; last >= 0 {
		s.observer.Store(s.started[last])
	}
}

// observe has a round trip observed. It is the store's routing.Observer.
func (s *sharedStore) observe(ctx context.Context, operation string) (context.Context, func(err error)) {
	ctx, done := s.observer.Load().observeRoundTrip(ctx, operation)
	return ctx, func(err error) {
		done(err)
		s.outage.note(err)
		if errors.Is(err, routing.ErrUnknownStore) {
			s.identity.suspect()
		}
	}
}

// options are those of the store's ledger.
func (s *sharedStore) options() routing.LedgerOptions {
	return routing.LedgerOptions{
		OnRetry: func() {
			rt := s.observer.Load()
			rt.metrics.StoreCommitRetry(rt.name)
		},
		ObserveRetry: func(ctx context.Context, retry routing.Retry) (context.Context, func(error)) {
			return s.observer.Load().observeRetry(ctx, retry)
		},
		OnDrop: func() { s.givenUp.note(s.observer.Load().logger, time.Now()) },
		OnStuck: func(key routing.Key, err error) {
			s.observer.Load().logger.Error("an outcome cannot be recorded because of the record itself; it is kept and tried "+
				"again. A newer gateway's record needs a newer gateway; bring a damaged one back from a backup of the store",
				zap.String("instance_id", string(key.Instance)), zap.String("binding_id", string(key.Binding)), zap.Error(err))
		},
		OnWatch: func(err error) {
			rt := s.observer.Load()
			logger := rt.logger.With(zap.String("gateway", rt.name))
			if err != nil {
				logger.Warn("the ownership store does not tell of changes; until it does, no record is cached and every call "+
					"reads the store", zap.Error(err))
				return
			}
			logger.Debug("the ownership store tells of changes; records are cached")
			s.eachStarted(func(rt *runtime) { rt.catalogs.heard.everything() })
		},
		OnDocument: func(name string, version uint64) {
			s.eachStarted(func(rt *runtime) { rt.catalogs.heard.note(name, version) })
		},
	}
}

// Destruct writes the outcomes that wait and closes the store. It implements caddy.Destructor.
func (s *sharedStore) Destruct() error {
	s.identity.end()
	s.warnings.end()
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return s.ledger.Shutdown(ctx)
}

// takeStore returns the store of the gateway's settings. It is not opened and dials nobody. Give it back with release.
func takeStore(rt *runtime) (*sharedStore, error) {
	s := &rt.settings.store
	key, err := s.key()
	if err != nil {
		return nil, err
	}
	value, _, err := stores.LoadOrNew(key, func() (caddy.Destructor, error) {
		shared := &sharedStore{key: key, gateway: s.Gateway, open: func() error { return nil }, counting: make(chan struct{}, 1)}
		shared.observer.Store(rt)
		shared.mark.Store(newGatewayMark(s.Gateway, ""))
		var err error
		switch s.Kind {
		case "memory":
			shared.store = routing.NewMemoryStore(routing.MemoryObserver(shared.observe))
		case "redis":
			shared.store, err = newRedisStore(s, shared.observe)
		default:
			file := filestore.New(s.Path, filestore.Observe(shared.observe))
			shared.store, shared.open = file, file.Open
		}
		if err != nil {
			return nil, err
		}
		shared.identity = newStoreIdentity(shared, s.remembered())
		shared.warnings = newStoreWarnings(shared.store, func() *zap.Logger {
			rt := shared.observer.Load()
			return rt.logger.With(zap.String("gateway", rt.name))
		})
		shared.ledger = routing.NewLedger(shared.store, shared.options())
		return shared, nil
	})
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", s.Kind, err)
	}
	shared, ok := value.(*sharedStore)
	if !ok {
		return nil, fmt.Errorf("store %s: the pool holds a %T", s.Kind, value)
	}
	return shared, nil
}

// remembered is the file that says which store the gateway knows: one for each name of a gateway, whatever its store
// is, so that a gateway that is led to another store by mistake is told so. A store in memory is a new one each time.
func (s *storeSettings) remembered() rememberedStore {
	if s.Kind == "memory" {
		return ""
	}
	return rememberedStore(filepath.Join(caddy.AppDataDir(), "osb_gateway", s.Gateway+".store"))
}

// storeChanged tells the gateways on the store that it is another one than before, so that what they keep in it beside
// the records is written anew.
func (s *sharedStore) storeChanged() {
	s.eachStarted((*runtime).storeChanged)
}

// eachStarted does something for each gateway on the store that was started.
func (s *sharedStore) eachStarted(do func(*runtime)) {
	s.mu.Lock()
	started := slices.Clone(s.started)
	s.mu.Unlock()
	for _, rt := range started {
		do(rt)
	}
}

// registerNames has the gateways on the store register their names. Where that fails they try again by themselves.
func (s *sharedStore) registerNames(ctx context.Context) {
	s.eachStarted(func(rt *runtime) { _ = rt.nameAll(ctx) })
}

// release gives the store back; the last one closes it.
func (s *sharedStore) release() error {
	_, err := stores.Delete(s.key)
	return err
}

// logRedisClient takes what the Redis client says on its own, for all of the process, from standard error to Caddy's
// log. Whatever fails a call is told by the call's own error.
var logRedisClient = sync.OnceFunc(func() {
	redisstore.SetLogger(func(_ context.Context, message string) {
		caddy.Log().Named("osb_gateway.redis").Debug(message) // the log of the configuration that runs at the time
	})
})

func newRedisStore(s *storeSettings, observe routing.Observer) (*redisstore.Store, error) {
	logRedisClient()
	return redisstore.New(redisstore.Config{
		URL: s.URL, Addresses: s.Addresses, Cluster: s.Cluster, SentinelMaster: s.SentinelMaster,
		SentinelUsername: s.SentinelUsername, SentinelPassword: s.SentinelPassword,
		Username: s.Username, Password: s.Password, DB: s.DB, TLS: s.tls,
		KeyPrefix: s.KeyPrefix, Gateway: s.Gateway, Timeout: s.Timeout,
		WaitReplicas: s.WaitReplicas, WaitTimeout: s.WaitTimeout, Observe: observe,
	})
}

// loadTLS reads the files of the TLS settings.
func (s *storeSettings) loadTLS(r *resolver) {
	content := sha256.New()
	read := func(what, path string) []byte {
		data, err := os.ReadFile(path) //nolint:gosec // the file is the operator's choice
		if err != nil {
			r.fail("store redis tls %s: %w", what, err)
		}
		fmt.Fprintf(content, "%s %d\n", what, len(data))
		content.Write(data)
		return data
	}
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.TLS.ServerName}
	if s.TLS.CA != "" {
		s.tls.RootCAs = x509.NewCertPool()
		if pem := read("ca", s.TLS.CA); pem != nil && !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			r.fail("store redis tls ca: there is no certificate in %s", s.TLS.CA)
		}
	}
	switch {
	case (s.TLS.Certificate == "") != (s.TLS.Key == ""):
		r.fail("store redis tls: `cert` and `key` go together")
	case s.TLS.Certificate != "":
		certificate, key := read("cert", s.TLS.Certificate), read("key", s.TLS.Key)
		if certificate == nil || key == nil {
			break
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			r.fail("store redis tls cert: %w", err)
		}
		s.tls.Certificates = []tls.Certificate{pair}
	}
	s.TLSContent = hex.EncodeToString(content.Sum(nil))
}
