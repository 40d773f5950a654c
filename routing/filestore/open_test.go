package filestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

func TestNothingHappensBeforeOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "missing", "ownership.db")
	store := filestore.New(path)
	storetest.WantUnavailable(t.Context(), t, store)
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for the directory, want it missing", err)
	}
	closeStore(t, store)
	if err := store.Open(); !errors.Is(err, routing.ErrUnavailable) {
		t.Errorf("opening a closed store: got %v, want an error that matches ErrUnavailable", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for the directory, want it missing", err)
	}
}

func TestOpenMayBeCalledByMany(t *testing.T) {
	t.Parallel()
	store := filestore.New(newPath(t))
	defer closeStore(t, store)
	var openers sync.WaitGroup
	for n := range 8 {
		openers.Go(func() {
			if err := store.Open(); err != nil {
				t.Error(err)
				return
			}
			id := routing.InstanceID(strconv.Itoa(n))
			if _, swapped, err := store.Swap(t.Context(), routing.Change{
				Key: routing.Key{Instance: id}, Instance: write("x"),
			}); err != nil || !swapped {
				t.Errorf("Swap: %t, %v", swapped, err)
			}
		})
	}
	openers.Wait()
}

func TestModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // It has no such modes.
	}
	path := filepath.Join(t.TempDir(), "a", "b", "ownership.db")
	open(t, path)
	for name, want := range map[string]os.FileMode{
		path:                             0o600,
		filepath.Dir(path):               0o700 | os.ModeDir,
		filepath.Dir(filepath.Dir(path)): 0o700 | os.ModeDir,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %s, want %s", name, info.Mode(), want)
		}
	}
}

func TestSecondStoreOfTheSameProcess(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	first := open(t, path)
	second := filestore.New(path)
	defer closeStore(t, second)
	err := second.Open()
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Fatalf("got %v, want that the file is in use", err)
	}
	storetest.WantUnavailable(t.Context(), t, second)
	closeStore(t, first)
	if err := second.Open(); err != nil {
		t.Errorf("after the first was closed: %v", err)
	}
}

func TestUnusablePaths(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	plain := filepath.Join(folder, "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"a directory":            folder,
		"a file as directory":    filepath.Join(plain, "ownership.db"),
		"a name that is no name": filepath.Join(folder, "a\x00b"),
	} {
		store := filestore.New(path)
		if err := store.Open(); !errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("%s: got %v, want an error that matches ErrUnavailable", name, err)
		}
		closeStore(t, store)
	}
}

func TestEmptyFilesAreTaken(t *testing.T) {
	t.Parallel()
	empty, database := newPath(t), newPath(t)
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	makeDatabase(t, database, func(*bbolt.Tx) error { return nil })
	for _, path := range []string{empty, database} {
		store := open(t, path)
		swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
	}
}
