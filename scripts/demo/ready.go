//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// readyDeadline is how long all programs together have to become ready.
	readyDeadline = time.Minute
	// readyPause lies between two questions.
	readyPause = 100 * time.Millisecond
	// answerDeadline is how long one answer may take.
	answerDeadline = 15 * time.Second
	// maxCatalogBytes bounds a catalog that is read.
	maxCatalogBytes = 32 << 20
)

// client asks this machine only, so no proxy lies between.
var client = &http.Client{Transport: &http.Transport{}, Timeout: answerDeadline}

// caller is somebody who calls a broker.
type caller struct {
	url, user, password string
}

// endpoint is a GET that a caller makes.
type endpoint struct {
	caller
	path string
}

func (c caller) endpoint(path string) endpoint { return endpoint{caller: c, path: path} }

// get returns the body of a 200.
func (e endpoint) get(ctx context.Context) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+e.path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(e.user, e.password)
	request.Header.Set("X-Broker-API-Version", "2.17")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxCatalogBytes))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s%s: %s", e.url, e.path, response.Status)
	}
	return body, nil
}

// waitReady returns when every program answered with 200.
func waitReady(ctx context.Context, programs []program) error {
	ctx, cancel := context.WithTimeout(ctx, readyDeadline)
	defer cancel()
	ticker := time.NewTicker(readyPause)
	defer ticker.Stop()
	for _, p := range programs {
		for {
			_, err := p.ready.get(ctx)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for %s: not ready after %s: %w", p.name, readyDeadline, err)
			case <-ticker.C:
			}
		}
	}
	return nil
}

// catalog is what the demo reads of a catalog.
type catalog struct {
	Services []struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Plans []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"plans"`
	} `json:"services"`
}

// catalog fetches what the platform sees.
func (c caller) catalog(ctx context.Context) (catalog, error) {
	body, err := c.endpoint("/v2/catalog").get(ctx)
	if err != nil {
		return catalog{}, fmt.Errorf("fetching the merged catalog: %w", err)
	}
	var merged catalog
	if err := json.Unmarshal(body, &merged); err != nil {
		return catalog{}, fmt.Errorf("reading the merged catalog: %w", err)
	}
	if len(merged.Services) == 0 || len(merged.Services[0].Plans) == 0 {
		return catalog{}, fmt.Errorf("reading the merged catalog: it offers nothing")
	}
	return merged, nil
}
