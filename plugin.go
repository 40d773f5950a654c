// Package osbgateway adds the OSB gateway to a build of Caddy. It holds nothing itself: importing it registers the
// handler http.handlers.osb_gateway and its Caddyfile directive osb_gateway. That is what xcaddy does:
//
//	xcaddy build --with github.com/osb-gateway/caddy-osb-gateway
//
// A main package of your own needs one line:
//
//	import _ "github.com/osb-gateway/caddy-osb-gateway"
package osbgateway

import (
	// The module registers itself when it is imported.
	_ "github.com/osb-gateway/caddy-osb-gateway/caddymodule"
)
