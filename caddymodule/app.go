package caddymodule

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// appID is the id of the app, and the name under which Caddy keeps it.
const appID = "osb_gateway"

func init() {
	caddy.RegisterModule(App{})
}

// App holds the gateways of one configuration. Handlers load it by themselves; it has no settings. It exists because a
// handler hears of the end of a configuration but not of its start: files are opened and brokers are called only when
// the configuration has been accepted.
type App struct {
	gateways map[string]*gatewayState
}

// gatewayState is a gateway of a configuration and the settings that it was made from, as written.
type gatewayState struct {
	runtime *runtime
	written []byte
}

// CaddyModule returns the module's id and constructor.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appID, New: func() caddy.Module { return new(App) }}
}

// Provision prepares the app.
func (a *App) Provision(caddy.Context) error {
	a.gateways = make(map[string]*gatewayState)
	return nil
}

// runtime returns the state that handlers of one name share, and makes it for the first of them.
func (a *App) runtime(
	_ caddy.Context, s *settings, written []byte, build func() (*runtime, error),
) (*runtime, error) {
	if state, ok := a.gateways[s.name]; ok {
		if !bytes.Equal(state.written, written) {
			return nil, errors.New("another osb_gateway of the same name has other settings: give one of them " +
				"another `name`, or put the block into a snippet and import it in both places")
		}
		return state.runtime, nil
	}
	for name, other := range a.gateways {
		if s.store.Kind == "file" && other.runtime.settings.store.Path == s.store.Path {
			return nil, fmt.Errorf("osb_gateway %q has the same file as its store: a file is for one gateway", name)
		}
	}
	built, err := build()
	if err != nil {
		return nil, err
	}
	a.gateways[s.name] = &gatewayState{runtime: built, written: written}
	return built, nil
}

// Start opens the stores and begins to fetch catalogs.
func (a *App) Start() error {
	for _, name := range slices.Sorted(maps.Keys(a.gateways)) {
		runtime := a.gateways[name].runtime
		if err := runtime.start(running.latest(name)); err != nil {
			return fmt.Errorf("osb_gateway %q: %w", name, errors.Join(err, a.Stop()))
		}
		running.add(name, runtime)
	}
	return nil
}

// Stop ends the background work. Calls go on.
func (a *App) Stop() error {
	for name, state := range a.gateways {
		running.remove(name, state.runtime)
		state.runtime.stop()
	}
	return nil
}

// Cleanup lets go of the stores. Caddy calls it while calls of the old configuration still run, so what they need is
// released only when the last of them has ended: in the background, or at once when Caddy exits.
func (a *App) Cleanup() error {
	var ending sync.WaitGroup
	for _, state := range a.gateways {
		ending.Go(state.runtime.end)
	}
	if caddy.Exiting() {
		ending.Wait()
	}
	return nil
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
