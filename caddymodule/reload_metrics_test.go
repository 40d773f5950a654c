package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample returns the value of a series on /metrics, named by all of its labels; empty if there is none.
func (s *server) sample(t *testing.T, series string) string {
	t.Helper()
	for line := range strings.Lines(s.call(t, http.StatusOK, "GET", "/metrics", "")) {
		if value, ok := strings.CutPrefix(line, "caddy_osb_gateway_"+series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// series counts the series on /metrics that have this label.
func (s *server) series(t *testing.T, label string) int {
	t.Helper()
	count := 0
	for line := range strings.Lines(s.call(t, http.StatusOK, "GET", "/metrics", "")) {
		if strings.HasPrefix(line, "caddy_osb_gateway_") && strings.Contains(line, label) {
			count++
		}
	}
	return count
}

// TestMetricsOverReloads counts on over reloads, and forgets what is no longer configured.
func TestMetricsOverReloads(t *testing.T) {
	one, two := startBroker(t, "one"), startBroker(t, "two")
	s := startServer(t)
	const created = `requests_total{backend="one",code="201",gateway="default",operation="provision",platform="cf"}`
	both := platformBlock + one.block("one", "") + two.block("two", "")
	s.mustLoad(t, s.config(both))
	s.call(t, http.StatusCreated, "PUT", instancePath("i1"), createBody("one"))
	s.call(t, http.StatusCreated, "PUT", instancePath("i2"), createBody("one"))
	await(t, "the catalog of the second backend", func() bool {
		return s.sample(t, `backend_up{backend="two",gateway="default"}`) == "1"
	})
	s.call(t, http.StatusCreated, "PUT", instancePath("i3"), createBody("two"))
	if got := s.sample(t, created); got != "2" {
		t.Errorf("%s is %q, want 2", created, got)
	}

	s.mustLoad(t, s.config("max_request_body 2MiB\n"+both))
	s.call(t, http.StatusCreated, "PUT", instancePath("i4"), createBody("one"))
	if got := s.sample(t, created); got != "3" {
		t.Errorf("after a reload %s is %q, want 3", created, got)
	}
	if s.series(t, `backend="two"`) == 0 {
		t.Error("the series of the second backend are gone with a reload that keeps it")
	}

	s.mustLoad(t, s.config(platformBlock+one.block("one", "")))
	await(t, "the end of the series of the backend that is gone", func() bool { return s.series(t, `backend="two"`) == 0 })
	if got := s.sample(t, created); got != "3" {
		t.Errorf("without the other backend %s is %q, want 3", created, got)
	}

	s.mustLoad(t, s.config("name other\n"+platformBlock+one.block("one", "")))
	await(t, "the end of the series of the gateway that is gone", func() bool { return s.series(t, `gateway="default"`) == 0 })
	if s.series(t, `gateway="other"`) == 0 {
		t.Error("the gateway of the new name has no series")
	}
}

// TestStoreIsObservedByTheRunningConfiguration changes the log while the store is down: the store outlives the
// configuration that it was made for, and must not write into the log of that one.
func TestStoreIsObservedByTheRunningConfiguration(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	config := s.config("store redis {\naddress " + freeAddress(t) + "\n}\n" + platformBlock + b.block("one", ""))
	const message = "the ownership store does not answer"
	await := func(log string) {
		t.Helper()
		await(t, "the store's trouble in "+log, func() bool {
			content, err := os.ReadFile(log)
			return err == nil && strings.Contains(string(content), message)
		})
	}
	if err := s.load(t, config); err != nil {
		t.Fatalf("loading: %v", err)
	}
	s.call(t, http.StatusServiceUnavailable, "GET", instancePath("i1"), "")
	await(s.log)

	other := filepath.Join(t.TempDir(), "other.log")
	if err := s.load(t, strings.Replace(config, s.log, other, 1)); err != nil {
		t.Fatalf("loading: %v", err)
	}
	s.call(t, http.StatusServiceUnavailable, "GET", instancePath("i1"), "")
	await(other)
}
