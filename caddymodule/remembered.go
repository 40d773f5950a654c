package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// rememberedStore is the small file in Caddy's data directory that says which store a gateway knows. The empty one
// remembers nothing.
type rememberedStore string

// rememberedContent is what the file holds.
type rememberedContent struct {
	Version int    `json:"v"`
	StoreID string `json:"store_id"`
}

// read returns the identity; empty if none was ever written. A file that cannot be read is an error: it says that a
// store is known, but not which.
func (f rememberedStore) read() (string, error) {
	if f == "" {
		return "", nil
	}
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var content rememberedContent
	if err == nil {
		err = json.Unmarshal(data, &content)
	}
	switch {
	case err == nil && content.Version > 1:
		err = errors.New("a newer version wrote it")
	case err == nil && content.StoreID == "":
		err = errors.New("it is damaged")
	}
	if err != nil {
		return "", fmt.Errorf("the file that says which store is known cannot be read; mend or remove it, and if the store is "+
			"the right one, say so with `caddy osb-gateway store accept`: %s: %w", string(f), err)
	}
	return content.StoreID, nil
}

// write replaces the file in one step, so that a crash leaves the old one or the new one.
func (f rememberedStore) write(id string) (err error) {
	if f == "" {
		return nil
	}
	data, err := json.Marshal(rememberedContent{Version: 1, StoreID: id})
	if err != nil {
		return err
	}
	directory := filepath.Dir(string(f))
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(directory, filepath.Base(string(f))+".*") // with 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = temporary.Close()
			_ = os.Remove(temporary.Name())
		}
	}()
	if _, err = temporary.Write(append(data, '\n')); err != nil {
		return err
	}
	if err = temporary.Sync(); err != nil {
		return err
	}
	if err = temporary.Close(); err != nil {
		return err
	}
	if err = os.Rename(temporary.Name(), string(f)); err != nil {
		return err
	}
	return syncDirectory(directory)
}

// syncDirectory has the disk know of a file's new name. Some systems cannot.
func syncDirectory(directory string) error {
	opened, err := os.Open(directory) //nolint:gosec // Caddy's own data directory
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	if err := opened.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
