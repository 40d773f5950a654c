package redisstore

import (
	"fmt"
	"strconv"
	"strings"
)

// documentPrefix begins the messages that tell of a document. No member of the sets begins with it.
const documentPrefix = "document:"

// documentMessage tells that a document has a new version.
func documentMessage(name string, version uint64) string {
	return documentPrefix + escape(name) + ":" + strconv.FormatUint(version, 10)
}

// parseDocumentMessage undoes documentMessage. It refuses what that never makes.
func parseDocumentMessage(message string) (name string, version uint64, err error) {
	escaped, number, _ := strings.Cut(strings.TrimPrefix(message, documentPrefix), ":")
	name, ok := unescape(escaped)
	version, err = strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || version == 0 || documentMessage(name, version) != message {
		return "", 0, fmt.Errorf("%.200q stands for no document; does another program use the same key prefix?", message)
	}
	return name, version, nil
}
