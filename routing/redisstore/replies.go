package redisstore

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// swapArguments lists the arguments of the swap script.
func swapArguments(identity, changes string, keys recordKeys, change routing.Change) []any {
	arguments := append(make([]any, 0, 16), identity, changes)
	arguments = appendWrite(arguments, keys.instanceMember, change.Old.Instance, change.Instance)
	if keys.bindingMember != "" {
		arguments = appendWrite(arguments, keys.bindingMember, change.Old.Binding, change.Binding)
	}
	return arguments
}

func appendWrite(arguments []any, member string, old []byte, write *routing.Write) []any {
	arguments = append(arguments, flag(old != nil), old)
	switch {
	case write == nil:
		return append(arguments, "keep", "", "0", "0", member)
	case write.Data == nil:
		return append(arguments, "erase", "", "0", "0", member)
	}
	return append(arguments, "set", write.Data, wholeMilliseconds(write.TTL), flag(write.Unfinished), member)
}

// wholeMilliseconds rounds up, for 0 would mean no time to live at all.
func wholeMilliseconds(ttl time.Duration) string {
	return strconv.FormatInt(int64((ttl+time.Millisecond-1)/time.Millisecond), 10)
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// parseSnapshot reads seconds, microseconds, instance and binding.
func parseSnapshot(reply []any) (routing.Snapshot, error) {
	now, err := parseTime(reply[0], reply[1])
	if err != nil {
		return routing.Snapshot{}, err
	}
	instance, err := parseBytes(reply[2])
	if err != nil {
		return routing.Snapshot{}, err
	}
	binding, err := parseBytes(reply[3])
	if err != nil {
		return routing.Snapshot{}, err
	}
	return routing.Snapshot{Instance: instance, Binding: binding, Now: now}, nil
}

// checkIdentity refuses to call a record absent in a bucket that does not carry the identity which it should have.
func checkIdentity(bucket int, expected string, found any) error {
	if expected == "" || found == expected {
		return nil
	}
	carried := "no identity"
	if found != nil {
		carried = fmt.Sprintf("the identity %.80q", found)
	}
	return fmt.Errorf("%w: part %d of the store carries %s instead of %q, so what is not there may have been lost; "+
		"if nothing is to be restored, run `caddy osb-gateway store accept`",
		routing.ErrUnknownStore, bucket, carried, expected)
}

func parseTime(seconds, microseconds any) (time.Time, error) {
	secondsText, _ := seconds.(string)
	microsecondsText, _ := microseconds.(string)
	s, err := strconv.ParseInt(secondsText, 10, 64)
	if err != nil {
		return time.Time{}, errors.New("the time in the answer of the server is malformed")
	}
	us, err := strconv.ParseInt(microsecondsText, 10, 64)
	if err != nil {
		return time.Time{}, errors.New("the time in the answer of the server is malformed")
	}
	return time.Unix(s, us*int64(time.Microsecond)).UTC(), nil
}

// parseBytes tells an absent value, nil, from an empty one.
func parseBytes(value any) ([]byte, error) {
	switch value := value.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(value), nil
	}
	return nil, fmt.Errorf("the answer of the server holds a %T where a value is expected", value)
}

func parseDocument(version, data any) (routing.Document, error) {
	if version == nil && data == nil {
		return routing.Document{}, nil
	}
	text, _ := version.(string)
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || number == 0 || data == nil {
		return routing.Document{}, errors.New("the document in the server is damaged: its version or its data is missing")
	}
	content, err := parseBytes(data)
	return routing.Document{Version: number, Data: content}, err
}

func unexpected(reply []any) error {
	return fmt.Errorf("the server answered with %d values; is this a Redis server?", len(reply))
}
