package telemetry_test

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"sync/atomic"
)

var identities atomic.Uint64

// nextIdentity returns a text that no other call of this process has.
func nextIdentity() string { return "call-" + strconv.FormatUint(identities.Add(1), 10) }

// originatingIdentity is a value for X-Broker-API-Originating-Identity.
func originatingIdentity(platform string, value any) string {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return platform + " " + base64.StdEncoding.EncodeToString(content)
}
