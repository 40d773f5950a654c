// Command caddy is Caddy with its standard modules and the OSB gateway, for builds without xcaddy. It imports what the
// main file that xcaddy generates from xcaddy.json imports; a test keeps the two alike.
package main

import (
	_ "time/tzdata"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/osb-gateway/caddy-osb-gateway"
)

func main() {
	caddycmd.Main()
}
