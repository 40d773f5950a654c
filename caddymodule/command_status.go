package caddymodule

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func printStatus(w io.Writer, answer []byte) error {
	status, err := decodeAnswer[statusView](answer)
	if err != nil {
		return err
	}
	if status.Gateways == nil {
		return errForeignAnswer
	}
	if len(status.Gateways) == 0 {
		_, err := fmt.Fprintln(w, "No OSB gateway runs in this Caddy.")
		return err
	}
	for i, gateway := range status.Gateways {
		if i > 0 {
			_, _ = fmt.Fprintln(w) // an error comes back from the table
		}
		if err := printGateway(w, gateway); err != nil {
			return err
		}
	}
	return nil
}

func printGateway(w io.Writer, g *gatewayView) error {
	t := newTable(w)
	ready := "ready"
	if !g.Ready {
		ready = "not ready: no catalog can be served yet"
	}
	if !g.NamesRegistered {
		ready += "; its names are not in the store's registry, so calls that change something get 503"
	}
	t.row("gateway "+g.Name, ready)
	t.row("store", g.Store.Kind+", "+g.Store.Description)
	t.row("", storeText(g.Store))
	t.row("identity", identityText(g.Store.Identity))
	t.row("cache", cacheText(g.Cache))
	t.row("queue", queueText(g.Queue))
	names := make([]string, len(g.Platforms))
	for i, platform := range g.Platforms {
		names[i] = platform.Name
	}
	t.row("platforms", strings.Join(names, ", "))
	for _, platform := range g.Platforms {
		for _, issuer := range platform.Issuers {
			if issuer.Error != "" {
				t.row("", platform.Name+": "+issuerText(issuer))
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(w)
	t = newTable(w)
	t.row("BACKEND", "CATALOG", "CALLS", "STATE")
	for _, b := range g.Backends {
		t.row(b.Name, catalogText(b.Catalog), callsText(b), backendText(b))
	}
	if g.Records != nil {
		t.row("")
		t.census(g.Records)
	}
	return t.Flush()
}

func storeText(s storeView) string {
	if s.Answers {
		return "answers"
	}
	since := ""
	if s.DownSince != nil {
		since = " since " + timeText(s.DownSince)
	}
	return "DOES NOT ANSWER" + since + ": " + s.Error
}

func identityText(i identityView) string {
	switch {
	case i.Trouble != "" && i.Known && i.Unmarked == 0:
		return i.ID + "; " + i.Trouble
	case i.Trouble != "":
		return "NOT KNOWN TO BE RIGHT: " + i.Trouble
	case !i.Known:
		return "not known yet"
	}
	return i.ID + ", the right one"
}

func cacheText(c routing.CacheStatus) string {
	switch {
	case !c.Enabled:
		return "off: this kind of store does not tell of changes"
	case !c.Ready:
		return "empty: the store does not tell of changes now, so every call reads it"
	}
	return fmt.Sprintf("%d of %d records, %d hits, %d misses", c.Entries, c.Capacity, c.Hits, c.Misses)
}

func queueText(q queueView) string {
	text := "nothing waits to be written"
	if q.Waiting > 0 {
		text = fmt.Sprintf("%d outcomes wait to be written, the oldest for %s", q.Waiting, secondsText(q.OldestAgeSeconds))
	}
	if q.Dropped > 0 {
		text += fmt.Sprintf("; %d WERE GIVEN UP", q.Dropped)
	}
	if q.LastError != "" {
		text += ": " + q.LastError
	}
	return text
}

// issuerText tells what is wrong with the keys of an issuer.
func issuerText(i issuerView) string {
	text := "THE KEYS of " + i.Issuer + " cannot be read"
	if i.Keys > 0 {
		text += fmt.Sprintf(", %d known ones are used", i.Keys)
	}
	return text + ": " + i.Error
}

func secondsText(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Truncate(time.Second).String()
}

func catalogText(c catalogView) string {
	if !c.Known {
		return "none"
	}
	return secondsText(c.AgeSeconds) + " old"
}

func backendText(b backendView) string {
	switch {
	case b.Suspect && b.Catalog.Error != "":
		return "SUSPECT, deletions and polls get 503: " + b.Catalog.Error
	case b.Suspect:
		return "SUSPECT, deletions and polls get 503: no catalog of its own came from its URL yet"
	case b.Catalog.Error != "":
		return "its catalog cannot be fetched: " + b.Catalog.Error
	case !b.Catalog.Known:
		return "not asked yet"
	}
	return "good"
}

// callsText tells how calls to a backend fare.
func callsText(b backendView) string {
	text := fmt.Sprintf("%d of %d open", b.InFlight, b.MaxInFlight)
	switch b.Breaker.State { //nolint:exhaustive // the others are as it should be
	case backend.BreakerOpen:
		text += ", REFUSED until " + timeText(b.Breaker.RetryAt) + ": it does not answer"
	case backend.BreakerTrying:
		text += ", REFUSED but for one that tries: it did not answer"
	}
	if b.Credentials.Error != "" {
		text += "; " + b.Credentials.Error
	}
	return text
}

// census writes what is recorded, and what of it needs somebody's attention.
func (t table) census(c *censusView) {
	t.row("RECORDS", "INSTANCES", "BINDINGS")
	for _, state := range []routing.State{
		routing.Ready, routing.Claimed, routing.Creating, routing.Updating, routing.Deleting, routing.Gone,
	} {
		t.row(string(state), strconv.Itoa(c.Instances[state]), strconv.Itoa(c.Bindings[state]))
	}
	if len(c.Owners) > 0 {
		t.row("")
		t.row("PLATFORM", "BACKEND", "LIVE", "GONE")
		for _, owner := range c.Owners {
			t.row(configuredText(string(owner.Platform), owner.PlatformConfigured),
				configuredText(string(owner.Backend), owner.BackendConfigured),
				strconv.Itoa(owner.Live), strconv.Itoa(owner.Gone))
		}
	}
	t.row("")
	t.attention(c)
}

func configuredText(name string, configured bool) string {
	if configured {
		return name
	}
	return name + " (not configured)"
}

// attention lists what an operator has to look at.
func (t table) attention(c *censusView) {
	nothing := true
	note := func(count int, what, hint string) {
		if count > 0 {
			nothing = false
			t.row("needs attention", fmt.Sprintf("%d %s", count, what), hint)
		}
	}
	example := func(key foundKey, rest string) {
		t.row("", strings.TrimSuffix(string(key.InstanceID)+" / "+string(key.BindingID), " / "), rest)
	}
	note(c.NotConfigured, "not configured", "of platforms or backends that the configuration does not name: calls get 503")
	for _, missing := range c.NamesNotConfigured {
		t.row("", missing.Kind+" "+missing.ID, missing.text())
	}
	note(c.Strays.Count, "strays", "other brokers may hold an instance of the same id: look there, delete it, then forget")
	for _, found := range c.Strays.Examples {
		others := make([]string, len(found.Strays))
		for i, stray := range found.Strays {
			others[i] = string(stray.Backend)
		}
		example(found.foundKey, string(found.Backend)+" owns it, "+strings.Join(others, ", ")+" may hold another")
	}
	note(c.Leftovers.Count, "leftovers", "bindings whose instance is gone: they can still be unbound")
	for _, found := range c.Leftovers.Examples {
		example(found.foundKey, "on "+string(found.Backend)+", "+strings.ReplaceAll(string(found.Reason), "_", " "))
	}
	note(c.Unreadable.Count, "unreadable", "records that this gateway cannot read: calls get 503")
	for _, found := range c.Unreadable.Examples {
		example(found.foundKey, found.Error)
	}
	if c.Unfinished.Count > 0 {
		t.row("under way", fmt.Sprintf("%d unfinished", c.Unfinished.Count),
			"operations that await polls; those that wait longest:")
	}
	for _, found := range c.Unfinished.Examples {
		example(found.foundKey, string(found.State)+" on "+string(found.Backend)+", last changed "+timeText(found.Since))
	}
	switch {
	case c.Error != "":
		t.row("not all seen", c.Error)
	case nothing:
		t.row("all well", "no record needs attention")
	}
}
