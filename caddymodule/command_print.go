package caddymodule

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// table writes lines whose cells stand below each other.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer) table {
	const padding = 2
	return table{tabwriter.NewWriter(w, 0, 0, padding, ' ', 0)}
}

// row writes cells. Control characters of what came from elsewhere do not reach the terminal.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	_, _ = fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t")) // an error comes back from Flush
}

// printable writes control characters out.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		quoted := strconv.Quote(text)
		return quoted[1 : len(quoted)-1]
	}
	return text
}

func printShown(w io.Writer, answer []byte) error {
	shown, err := decodeAnswer[shownInstance](answer)
	if err != nil {
		return err
	}
	if shown.Instance == nil {
		return errForeignAnswer
	}
	t := newTable(w)
	t.row("gateway", shown.Gateway)
	t.record(shown.Instance)
	t.bindings(shown.bindingsView)
	return t.Flush()
}

// record writes the fields of a record, one a line.
func (t table) record(r *recordView) {
	t.row("instance", string(r.InstanceID))
	if r.BindingID != "" {
		t.row("binding", string(r.BindingID))
	}
	t.row("state", stateText(r))
	t.row("platform", nameText(string(r.Platform), r.PlatformConfigured))
	t.row("backend", nameText(string(r.Backend), r.BackendConfigured))
	t.row("service id", string(r.ServiceID))
	t.row("plan id", string(r.PlanID))
	if r.SpelledServiceID != "" {
		t.row("known as service id", string(r.SpelledServiceID))
	}
	if r.SpelledPlanID != "" {
		t.row("known as plan id", string(r.SpelledPlanID))
	}
	if o := r.Operation; o != nil {
		t.row("operation", strings.TrimSpace(string(o.Kind)+" "+o.Operation))
	}
	for _, call := range r.Calls {
		if call.EndedAt == nil {
			t.row("open call", string(call.Kind)+", may take effect until "+timeText(call.Until))
		}
	}
	if r.DoubtUntil != nil {
		t.row("in doubt", "a create whose answer was lost may take effect until "+timeText(r.DoubtUntil))
	}
	for _, stray := range r.Strays {
		t.row("stray", string(stray.Backend)+" may hold an instance of this id too")
	}
	t.row("created", timeText(r.CreatedAt))
	t.row("changed", timeText(r.UpdatedAt))
	if r.ExpiresAt != nil {
		t.row("kept until", timeText(r.ExpiresAt))
	}
}

// stateText is a state with what an operator has to know of it.
func stateText(r *recordView) string {
	switch {
	case r.State == routing.Gone && r.NeverCreated:
		return "gone (never created)"
	case r.State == routing.Gone:
		return "gone (a tombstone)"
	case r.State == routing.Claimed && r.Adopting:
		return "claimed (a call on an instance that was not known is under way, or its outcome is not known)"
	case r.State == routing.Claimed:
		return "claimed (being created, or the outcome is not known)"
	}
	return string(r.State)
}

func nameText(name string, configured bool) string {
	if configured {
		return name
	}
	return name + " (not configured: calls get 503; add it, or name it with `formerly`)"
}

func timeText(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.UTC().Format(time.RFC3339)
}

func (t table) bindings(view bindingsView) {
	switch {
	case view.BindingsError != "":
		t.row("bindings", "cannot be listed: "+view.BindingsError)
	case len(view.Bindings) == 0:
		t.row("bindings", "none")
	}
	for i, binding := range view.Bindings {
		label, state := "", binding.Error
		if i == 0 {
			label = "bindings"
		}
		if state == "" {
			state = string(binding.State) + " on " + string(binding.Backend)
		}
		t.row(label, string(binding.BindingID)+" ("+state+")")
	}
	if view.MoreBindings {
		t.row("", "and more")
	}
}

func printForgotten(w io.Writer, answer []byte) error {
	done, err := decodeAnswer[forgottenInstance](answer)
	if err != nil {
		return err
	}
	if done.Before == nil || done.Instance == nil {
		return errForeignAnswer
	}
	id := printable(string(done.Before.InstanceID))
	if !done.Changed {
		_, err := fmt.Fprintf(w, "Nothing to do: the instance %s is gone already, and its tombstone goes at %s.\n", id,
			timeText(done.Instance.ExpiresAt))
		return err
	}
	lines := []string{
		fmt.Sprintf("Forgot the instance %s, which was %s on backend %s for platform %s.", id, done.Before.State,
			printable(string(done.Before.Backend)), printable(string(done.Before.Platform))),
		fmt.Sprintf("No broker was asked. Calls on it go to that backend until %s.", timeText(done.Instance.ExpiresAt)),
	}
	if done.OpenCreates > 0 {
		lines = append(lines, fmt.Sprintf(
			"Creates under way: %d. One that succeeds takes the record back; then forget it again.", done.OpenCreates))
	}
	for _, stray := range done.Before.Strays {
		lines = append(lines, fmt.Sprintf("The record also named backend %s, which may hold an instance of this id: look there.",
			printable(string(stray.Backend))))
	}
	live := 0
	for _, binding := range done.Bindings {
		if binding.State != routing.Gone {
			live++
		}
	}
	switch {
	case done.BindingsError != "":
		lines = append(lines, "Its bindings cannot be listed: "+printable(done.BindingsError))
	case live > 0:
		lines = append(lines, fmt.Sprintf("Records of bindings that stay, so that they can be unbound: %d.", live))
	}
	_, err = fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

func printAcceptedStore(w io.Writer, answer []byte) error {
	accepted, err := decodeAnswer[acceptedStore](answer)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "The store of gateway %s is accepted as it is, as %s.\n", printable(accepted.Gateway),
		printable(accepted.Identity.ID))
	if err == nil && accepted.Identity.Trouble != "" {
		_, err = fmt.Fprintln(w, printable(accepted.Identity.Trouble))
	}
	return err
}

func printAcceptedBackend(w io.Writer, answer []byte) error {
	accepted, err := decodeAnswer[acceptedBackend](answer)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "The catalog of backend %s is accepted; the broker counts as the right one.\n",
		printable(accepted.Backend.Name))
	return err
}
