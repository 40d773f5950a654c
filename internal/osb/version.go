package osb

import (
	"cmp"
	"strconv"
	"strings"
)

// Version is a version of the Open Service Broker API, as X-Broker-API-Version announces it. Its parts are two whole
// numbers: 2.9 is older than 2.13.
type Version struct{ Major, Minor int }

// maxVersionDigits bounds each part of a version.
const maxVersionDigits = 4

// ParseVersion reads MAJOR.MINOR: decimal digits without signs, spaces, leading zeros or a third part, at most four of
// them on each side. It returns a *RequestError of KindUnsupportedVersion for everything else, nothing at all included.
func ParseVersion(s string) (Version, error) {
	major, minor, _ := strings.Cut(s, ".")
	v, okMajor, okMinor := Version{}, false, false
	v.Major, okMajor = parseVersionPart(major)
	v.Minor, okMinor = parseVersionPart(minor)
	if !okMajor || !okMinor {
		return Version{}, &RequestError{
			Kind:        KindUnsupportedVersion,
			Description: "X-Broker-API-Version must be MAJOR.MINOR, such as 2.17",
		}
	}
	return v, nil
}

func parseVersionPart(digits string) (value int, ok bool) {
	if digits == "" || len(digits) > maxVersionDigits || (digits[0] == '0' && len(digits) > 1) {
		return 0, false
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		value = value*10 + int(digits[i]-'0')
	}
	return value, true
}

// Less tells whether v is older than w.
func (v Version) Less(w Version) bool {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor)) < 0
}

// String returns MAJOR.MINOR.
func (v Version) String() string { return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) }
