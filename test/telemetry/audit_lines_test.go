package telemetry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const auditLogger = "http.handlers.osb_gateway.audit"

// logLines reads the lines of a log in JSON that a logger wrote. Other text between them is no line of a log.
func logLines(text, logger string) []map[string]any {
	var lines []map[string]any
	for line := range strings.Lines(text) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["logger"] == logger {
			lines = append(lines, fields)
		}
	}
	return lines
}

// auditLines are the lines of the audit log about a call.
func auditLines(output string, c call) []map[string]any {
	var lines []map[string]any
	for _, line := range logLines(output, auditLogger) {
		if line["request_identity"] == c.identity() {
			lines = append(lines, line)
		}
	}
	return lines
}

// auditLine waits for the line of the audit log about a call: it is written after the answer.
func auditLine(t *testing.T, g *harness.Gateway, c call) map[string]any {
	t.Helper()
	var lines []map[string]any
	harness.Await(t, "the audit line of "+c.identity(), func() bool {
		lines = auditLines(g.Output(), c)
		return len(lines) > 0
	})
	return lines[0]
}
