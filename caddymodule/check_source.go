package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// catalogSource is where a check has the catalogs from.
type catalogSource interface {
	// catalog returns what a backend answers to GET /v2/catalog.
	catalog(ctx context.Context, backend string) ([]byte, error)
}

// savedCatalogs are catalogs in a directory, each in a file <backend>.json.
type savedCatalogs string

const catalogFileEnd = ".json"

func (d savedCatalogs) catalog(_ context.Context, backend string) ([]byte, error) {
	path := filepath.Join(string(d), backend+catalogFileEnd)
	about, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("there is no saved catalog %s", path)
	case err != nil:
		return nil, err
	case about.Size() > maxCatalogBody:
		return nil, fmt.Errorf("%s is larger than a catalog may be, which is %d MiB", path, maxCatalogBody>>20)
	}
	return os.ReadFile(path) //nolint:gosec // the operator says which
}

// backends returns a backend for each saved catalog, in the order of their names.
func (d savedCatalogs) backends() ([]*backendSettings, error) {
	files, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	var backends []*backendSettings
	for _, file := range files {
		name, isCatalog := strings.CutSuffix(file.Name(), catalogFileEnd)
		if !isCatalog || file.IsDir() {
			continue
		}
		if err := checkName("backend", name); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(string(d), file.Name()), err)
		}
		backends = append(backends, &backendSettings{name: name, policy: &catalogmerge.Policy{Name: name}})
	}
	if len(backends) == 0 {
		return nil, fmt.Errorf("%s has no files of the form <backend>%s", string(d), catalogFileEnd)
	}
	return backends, nil
}

// liveCatalogs asks the brokers, as the gateway would.
type liveCatalogs struct{ rt *runtime }

// askBrokers makes the backends of a configuration. The function that it returns lets go of them.
func askBrokers(ctx context.Context, g *Gateway, s *settings) (liveCatalogs, func(), error) {
	rt := &runtime{
		settings: s, logger: zap.NewNop(), metrics: telemetry.Default(), tracing: new(sharedTracing), // of nobody's
		brokers: make(map[string]*broker, len(s.backends)),
	}
	transports, cancel := caddy.NewContext(caddy.Context{Context: ctx})
	problems := make([]error, len(s.backends))
	for i, b := range s.backends {
		problems[i] = rt.addBroker(transports, g.Backends[i], b)
	}
	release := func() {
		for _, b := range rt.brokers {
			b.Close()
		}
		cancel()
	}
	return liveCatalogs{rt}, release, errors.Join(problems...)
}

func (l liveCatalogs) catalog(ctx context.Context, backend string) ([]byte, error) {
	b := l.rt.brokers[backend]
	ctx, cancel := context.WithTimeout(withReplacer(ctx), b.catalogTimeout)
	defer cancel()
	body, _, _, err := b.Catalog(ctx, "")
	return body, err
}
