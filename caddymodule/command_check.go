package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// checkFlags are what the check command takes besides.
type checkFlags struct {
	*commandFlags
	from, against string
	accept        bool
}

func checkCommand(common *commandFlags) *cobra.Command {
	flags := &checkFlags{commandFlags: common}
	command := &cobra.Command{
		Use:   "check",
		Short: "Shows what a configuration would publish, before it goes live",
		Long: `
Reads a configuration, asks its brokers for their catalogs, and shows what
platforms would see: every offering with its plans and its backend, what the
configuration did to it, and every problem with its reason. Nothing is changed,
and no gateway needs to run.

  $ caddy osb-gateway check --config Caddyfile

With --from the catalogs are read from a directory, <backend>.json each, and no
broker is asked. Without --config then, every file there is a backend.

With --against running it says what platforms would notice if the configuration
took the place of the one that runs, and how many instances hang on what they
would lose. The running gateway is asked at --address, else at the admin endpoint
of the configuration that is checked.

The exit code is 1 if a backend has no catalog, an offering is left out for a hard
problem, or platforms would lose something and --accept does not say that this is
meant. Soft problems are shown and pass.`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return flags.runCheck(command) },
	}
	command.Flags().StringVar(&flags.from, "from", "", "A directory with saved catalogs, <backend>.json each")
	command.Flags().StringVar(&flags.against, "against", "", "What to compare with; there is \"running\"")
	command.Flags().BoolVar(&flags.accept, "accept", false, "Pass although platforms would lose something")
	return command
}

func (f *checkFlags) runCheck(command *cobra.Command) error {
	if f.against != "" && f.against != againstRunning {
		return fmt.Errorf("--against is %s, not %q", againstRunning, f.against)
	}
	ctx, cancel := context.WithTimeout(command.Context(), commandTimeout)
	defer cancel()
	report, err := f.check(ctx)
	if err != nil {
		return err
	}
	if f.json {
		encoder := json.NewEncoder(command.OutOrStdout())
		encoder.SetIndent("", "\t")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(report)
	} else {
		err = report.print(command.OutOrStdout())
	}
	return errors.Join(err, report.verdict(f.accept))
}

// check checks each gateway of the configuration that is meant.
func (f *checkFlags) check(ctx context.Context) (*checkReport, error) {
	if f.config == "" && f.from != "" {
		if f.against != "" {
			return nil, errors.New("--against needs a --config: what runs has policies that the files do not")
		}
		saved := savedCatalogs(f.from)
		backends, err := saved.backends()
		if err != nil {
			return nil, err
		}
		policy := &checkedPolicy{
			backends: backends, options: &catalogmerge.Options{Gateway: defaultName}, withdrawAfter: defaultWithdrawAfter,
		}
		return &checkReport{Gateways: []*checkedGateway{policy.check(ctx, saved)}}, nil
	}
	config, file, _, err := caddycmd.LoadConfig(f.config, f.adapter)
	if err != nil {
		return nil, fmt.Errorf("loading the configuration: %w", err)
	}
	// The configuration that is checked says where its own endpoint is, mostly that of the one that runs. Caddy looks
	// there only if it is told a file.
	address, err := caddycmd.DetermineAdminAPIAddress(f.address, config, file, f.adapter)
	if err != nil {
		return nil, fmt.Errorf("finding the admin endpoint: %w", err)
	}
	gateways, err := gatewaysIn(config)
	if err != nil {
		return nil, err
	}
	report := &checkReport{Gateways: []*checkedGateway{}}
	for _, gateway := range gateways {
		settings, err := gateway.resolve()
		if err != nil {
			return nil, fmt.Errorf("osb_gateway %q: %w", orDefault(gateway.Name, defaultName), err)
		}
		if f.gateway != "" && settings.name != f.gateway {
			continue
		}
		checked, err := f.checkGateway(ctx, address, gateway, settings)
		if err != nil {
			return nil, fmt.Errorf("osb_gateway %q: %w", settings.name, err)
		}
		report.Gateways = append(report.Gateways, checked)
	}
	if len(report.Gateways) == 0 {
		return nil, fmt.Errorf("the configuration has no gateway of the name %q", f.gateway)
	}
	return report, nil
}

// checkGateway checks one gateway. The one that runs is asked at the address.
func (f *checkFlags) checkGateway(
	ctx context.Context, address string, gateway *Gateway, settings *settings,
) (*checkedGateway, error) {
	policy := &checkedPolicy{
		backends: settings.backends, platforms: settings.platforms, options: settings.catalogPolicy,
		withdrawAfter: settings.withdrawAfter,
	}
	var running *runningGateway
	if f.against != "" {
		client, err := newAdminClient(address)
		if err != nil {
			return nil, err
		}
		if running, err = askRunning(ctx, client, settings.name); err != nil {
			return nil, err
		}
		policy.earlier = running.earlier(settings.backends)
	}
	var source catalogSource = savedCatalogs(f.from)
	if f.from == "" {
		live, release, err := askBrokers(ctx, gateway, settings)
		defer release()
		if err != nil {
			return nil, err
		}
		source = live
	}
	checked := policy.check(ctx, source)
	if running != nil {
		checked.Changes = catalogmerge.Compare(running.catalog.Catalog, checked.Catalog)
		checked.InstancesError = running.catalog.InstancesError
	}
	return checked, nil
}
