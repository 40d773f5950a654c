package caddymodule

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func refreshCommand(flags *commandFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "refresh [<backend>...]",
		Short: "Fetches the catalogs of the backends now",
		Long: `
Fetches the catalogs of all backends, or of those that are named, at once, each
under its own catalog_timeout, and tells what came of it. Use it after a broker
has changed its catalog, to have it shown without waiting for the next fetch.

Gateways that share the store show what has changed a moment later. A fetch that
fails changes nothing: the last good catalog stays, and the exit code is 1.`,
		RunE: func(command *cobra.Command, arguments []string) error {
			return flags.run(command, http.MethodPost, "/catalog/refresh", url.Values{"backend": arguments}, printRefreshed)
		},
	}
}

var errRefreshFailed = errors.New("not all catalogs could be fetched")

func printRefreshed(w io.Writer, answer []byte) error {
	refreshed, err := decodeAnswer[refreshedView](answer)
	if err != nil {
		return err
	}
	if len(refreshed.Backends) == 0 {
		return errForeignAnswer
	}
	t := newTable(w)
	t.row("BACKEND", "OFFERINGS", "CATALOG")
	for _, b := range refreshed.Backends {
		said := b.Outcome
		if b.Outcome == refreshFailed {
			err = errRefreshFailed
			said += ": " + b.Error
		}
		t.row(b.Name, strconv.Itoa(b.Offerings), said)
	}
	return errors.Join(t.Flush(), err)
}
