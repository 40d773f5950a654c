package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "osb-gateway",
		Usage: "<command>",
		Short: "Shows and mends what a running OSB gateway knows",
		Long: `
Asks the OSB gateways of the Caddy that runs here, by its admin endpoint.

  When something is wrong, begin with "caddy osb-gateway status". It says whether
  the store answers and is the right one, what waits to be written to it, which
  catalogs are missing, and which records need somebody's attention.

The admin endpoint is found as "caddy reload" does: --address, else what the
configuration says that --config names, else localhost:2019. With "admin off" in
the configuration there is none, and nothing can be asked.

Exit codes: 0 if what was asked for was told or done, 1 if not; a record that is
not there is a 1 too. "status" is 0 whatever it tells.`,
		CobraFunc: setUpCommands,
	})
}

// commandFlags are what all commands take.
type commandFlags struct {
	address, config, adapter, gateway string
	json                              bool
}

// setUpCommands adds the commands.
func setUpCommands(root *cobra.Command) {
	flags := new(commandFlags)
	persistent := root.PersistentFlags()
	persistent.StringVar(&flags.address, "address", "", "The admin endpoint, such as localhost:2019 or unix//run/caddy.sock")
	persistent.StringVarP(&flags.config, "config", "c", "", "The configuration file that says where the admin endpoint is")
	persistent.StringVarP(&flags.adapter, "adapter", "a", "", "The configuration adapter, such as caddyfile")
	persistent.StringVar(&flags.gateway, "gateway", "", "The gateway that is meant, where several run")
	persistent.BoolVar(&flags.json, "json", false, "Print the answer of the admin API as it is")
	store := &cobra.Command{
		Use:   "store",
		Short: "Mends what the gateway believes of its store",
		Args:  onlyCommands,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	store.AddCommand(acceptStoreCommand(flags))
	root.Args = onlyCommands
	root.RunE = func(command *cobra.Command, _ []string) error { return command.Help() }
	root.AddCommand(
		statusCommand(flags), showCommand(flags), forgetCommand(flags), store, acceptBackendCommand(flags),
		checkCommand(flags), refreshCommand(flags),
	)
}

func statusCommand(flags *commandFlags) *cobra.Command {
	noCensus, timeout := false, time.Duration(0)
	command := &cobra.Command{
		Use:   "status",
		Short: "Tells how the gateways, their stores and their backends do",
		Long: `
Tells how each gateway does: whether its store answers and is the right one,
what waits to be written to it, how old the catalogs are, and what is recorded.

  "needs attention" lists what an operator has to look at: records of platforms
  or backends that the configuration does not name, strays (other brokers that
  may hold an instance of the same id), leftovers (bindings whose instance is
  gone), operations that nobody finished, and records that cannot be read.

Counting the records reads all of them, which takes a while where there are very
many: leave it out with --no-census, or give it more time with --timeout.`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			query := make(url.Values)
			if noCensus {
				query.Set("census", "false")
			}
			if command.Flags().Changed("timeout") {
				query.Set("timeout", timeout.String())
			}
			return flags.run(command, http.MethodGet, "/", query, printStatus)
		},
	}
	command.Flags().BoolVar(&noCensus, "no-census", false, "Do not count the records")
	command.Flags().DurationVar(&timeout, "timeout", 0, "How long counting the records may take (default 10s)")
	return command
}

func showCommand(flags *commandFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show <instance id>",
		Short: "Shows what is recorded of an instance and its bindings",
		Long: `
Shows what the gateway has recorded of an instance: which backend and platform it
belongs to, its state, and its bindings. The broker is not asked.

The id is written as it is, not percent-encoded; put it in quotes where the shell
would change it:

  $ caddy osb-gateway show 'crn:v1:bluemix:public:db:us-south:a/1234:5678::'`,
		Args: oneArgument("instance id"),
		RunE: func(command *cobra.Command, arguments []string) error {
			return flags.run(command, http.MethodGet, "/instances", url.Values{"id": arguments}, printShown)
		},
	}
}

func forgetCommand(flags *commandFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "forget <instance id>",
		Short: "Forgets the record of an instance, without asking its broker",
		Long: `
Puts a tombstone in the place of an instance's record, as if its broker had
confirmed its deletion. Use it for an instance that is not there any more, and
whose record is in the way.

  - No broker is asked, and none is told. What it holds, it goes on holding.
  - For a week the platform's calls on the id, a deletion too, still go to the
    same broker. Then the tombstone goes.
  - The same platform may create the instance anew at once, on any backend; other
    platforms when the tombstone is gone.
  - Strays, the other brokers that may hold an instance of the id, are forgotten.
    The command names them: look there.
  - The records of its bindings stay, so that each can still be unbound.
  - A create that is under way takes the record back if it succeeds.`,
		Args: oneArgument("instance id"),
		RunE: func(command *cobra.Command, arguments []string) error {
			return flags.run(command, http.MethodDelete, "/instances", url.Values{"id": arguments}, printForgotten)
		},
	}
}

func acceptStoreCommand(flags *commandFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "accept",
		Short: "Takes the store as it is for the right one",
		Long: `
Tells the gateway that its store is the right one, though it is not the one that
the gateway knows: it is new, was wiped, or was exchanged. Until somebody says so,
calls on instances that have no record get 503, because the record may have been
lost.

Bring the lost data back first, if there is a backup: with an empty store the
gateway does not know any more who owns what. What is accepted holds for every
gateway that shares the store.`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return flags.run(command, http.MethodPost, "/store/accept", nil, printAcceptedStore)
		},
	}
}

func acceptBackendCommand(flags *commandFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "accept <backend>",
		Short: "Takes a backend's new catalog, though it shares nothing with the one before",
		Long: `
Tells the gateway that a backend is the right broker, though its catalog shares no
offering with the last good one. Until somebody says so, the catalog is not taken,
and deletions and polls are not sent there: another broker would say that it has
none of the instances, and they would be taken for deleted.

Look at the backend's URL first.`,
		Args: oneArgument("backend"),
		RunE: func(command *cobra.Command, arguments []string) error {
			return flags.run(command, http.MethodPost, "/backends/"+url.PathEscape(arguments[0])+"/accept", nil,
				printAcceptedBackend)
		},
	}
}

// onlyCommands refuses what is not the name of a command.
func onlyCommands(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}
	var names []string
	for _, known := range command.Commands() {
		names = append(names, known.Name())
	}
	return fmt.Errorf("there is no command %q; there are %s", arguments[0], strings.Join(names, ", "))
}

func noArguments(command *cobra.Command, arguments []string) error {
	if len(arguments) > 0 {
		return fmt.Errorf("%s takes no argument, but for flags; %q is one too many", command.Name(), arguments[0])
	}
	return nil
}

func oneArgument(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, arguments []string) error {
		if len(arguments) != 1 || arguments[0] == "" {
			return fmt.Errorf("give one %s; quote it where the shell would change it", what)
		}
		return nil
	}
}

// run asks the admin API and prints its answer.
func (f *commandFlags) run(
	command *cobra.Command, method, path string, query url.Values, printed func(io.Writer, []byte) error,
) error {
	if query == nil {
		query = make(url.Values)
	}
	if f.gateway != "" {
		query.Set("gateway", f.gateway)
	}
	address, err := caddycmd.DetermineAdminAPIAddress(f.address, nil, f.config, f.adapter)
	if err != nil {
		return fmt.Errorf("finding the admin endpoint: %w", err)
	}
	client, err := newAdminClient(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(command.Context(), commandTimeout)
	defer cancel()
	answer, err := client.ask(ctx, method, path, query)
	if err != nil {
		return err
	}
	if f.json {
		_, err = command.OutOrStdout().Write(answer)
		return err
	}
	return printed(command.OutOrStdout(), answer)
}

// commandTimeout bounds a command. A census takes the most of it.
const commandTimeout = maxCensusTimeout + time.Minute

var errForeignAnswer = errors.New("what answers is no OSB gateway of this version, or no Caddy at all")

// decodeAnswer reads an answer of the admin API.
func decodeAnswer[T any](answer []byte) (*T, error) {
	decoded := new(T)
	if err := json.Unmarshal(answer, decoded); err != nil {
		return nil, fmt.Errorf("%w: %w", errForeignAnswer, err)
	}
	return decoded, nil
}
