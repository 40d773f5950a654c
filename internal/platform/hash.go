package platform

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What a hash may cost to check. Within these limits the slowest takes some 15 seconds on present hardware; nothing
// that an operator would choose comes near.
const (
	maxBcryptCost        = 18
	maxArgon2MemoryKiB   = 1 << 20  // 1 GiB
	maxArgon2TotalKiB    = 16 << 20 // over all passes
	minArgon2SaltBytes   = 8
	minArgon2KeyBytes    = 16
	maxArgon2OutputBytes = 1 << 10 // of salt and of key
)

// maxBcryptPasswordBytes is how much of a password bcrypt looks at.
const maxBcryptPasswordBytes = 72

// passwordHash is a hash that passwords can be checked against.
type passwordHash interface {
	// matches tells whether the hash is that of the password. It is slow, on purpose.
	matches(password []byte) bool
	// decoy returns a hash that takes as long and that no password matches.
	decoy() passwordHash
}

// parseHash recognises a hash by its prefix and checks its parameters. Errors do not repeat it.
func parseHash(s string) (passwordHash, error) {
	switch {
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		return parseBcrypt(s)
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon2id(s)
	case s == "":
		return nil, errors.New("the hash of the password is missing; run `caddy hash-password`")
	default:
		return nil, errors.New("the hash of the password belongs here, bcrypt or argon2id, not the password itself; " +
			"run `caddy hash-password`")
	}
}

// bcryptHash is a bcrypt hash as it is written.
type bcryptHash []byte

const (
	bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	bcryptBytes    = 60 // $2a$10$, 22 characters of salt and 31 of digest
	bcryptDigest   = 29 // where the digest begins
)

func parseBcrypt(s string) (passwordHash, error) {
	cost, err := bcrypt.Cost([]byte(s))
	switch {
	case err != nil || len(s) != bcryptBytes || strings.Trim(s[4:6], "0123456789") != "" || s[6] != '$' ||
		strings.Trim(s[7:], bcryptAlphabet) != "":
		return nil, errors.New("the bcrypt hash is not complete or malformed; run `caddy hash-password`")
	case cost > maxBcryptCost:
		return nil, fmt.Errorf("the bcrypt hash has cost %d, more than the %d that are allowed", cost, maxBcryptCost)
	}
	return bcryptHash(s), nil
}

func (h bcryptHash) matches(password []byte) bool {
	// bcrypt ignores what comes after 72 bytes. A longer password that begins like the right one is not the right one,
	// but it is to take as long.
	whole := len(password) <= maxBcryptPasswordBytes
	if !whole {
		password = password[:maxBcryptPasswordBytes]
	}
	return bcrypt.CompareHashAndPassword(h, password) == nil && whole
}

func (h bcryptHash) decoy() passwordHash {
	d := append(bcryptHash(nil), h...)
	for i, b := range randomBytes(bcryptBytes - bcryptDigest) {
		d[bcryptDigest+i] = bcryptAlphabet[int(b)%len(bcryptAlphabet)]
	}
	return d
}

// argon2idHash is an argon2id hash, parsed.
type argon2idHash struct {
	memoryKiB, passes uint32
	threads           uint8
	salt, key         []byte
}

// parseArgon2id reads the PHC form, $argon2id$v=19$m=47104,t=1,p=1$salt$key.
func parseArgon2id(s string) (passwordHash, error) {
	malformed := errors.New("the argon2id hash is not complete or malformed; " +
		"run `caddy hash-password --algorithm argon2id`")
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return nil, malformed
	}
	if parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, fmt.Errorf("the argon2id hash is of another version than %d", argon2.Version)
	}
	settings := strings.Split(parts[3], ",")
	if len(settings) != 3 {
		return nil, malformed
	}
	memory, okMemory := parseSetting(settings[0], "m=", 32)
	passes, okPasses := parseSetting(settings[1], "t=", 32)
	threads, okThreads := parseSetting(settings[2], "p=", 8)
	salt, errSalt := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	key, errKey := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if !okMemory || !okPasses || !okThreads || errSalt != nil || errKey != nil {
		return nil, malformed
	}
	switch {
	case passes < 1 || threads < 1 || memory < 8*threads:
		return nil, errors.New("the argon2id hash must have t and p of at least 1, and m of at least 8 times p")
	case memory > maxArgon2MemoryKiB:
		return nil, fmt.Errorf("the argon2id hash takes %d KiB of memory, more than the %d that are allowed",
			memory, maxArgon2MemoryKiB)
	case passes > maxArgon2TotalKiB/memory:
		return nil, fmt.Errorf("the argon2id hash makes %d passes of %d KiB, more than %d KiB in all",
			passes, memory, maxArgon2TotalKiB)
	case len(salt) < minArgon2SaltBytes || len(key) < minArgon2KeyBytes:
		return nil, fmt.Errorf("the argon2id hash must have at least %d bytes of salt and %d of key",
			minArgon2SaltBytes, minArgon2KeyBytes)
	case len(salt) > maxArgon2OutputBytes || len(key) > maxArgon2OutputBytes:
		return nil, fmt.Errorf("the argon2id hash must have at most %d bytes of salt and of key", maxArgon2OutputBytes)
	}
	return &argon2idHash{
		memoryKiB: uint32(memory),
		passes:    uint32(passes), //nolint:gosec // parsed as 32 bits
		threads:   uint8(threads), //nolint:gosec // parsed as 8 bits
		salt:      salt,
		key:       key,
	}, nil
}

func parseSetting(s, name string, bits int) (value uint64, ok bool) {
	digits, ok := strings.CutPrefix(s, name)
	if !ok {
		return 0, false
	}
	value, err := strconv.ParseUint(digits, 10, bits)
	return value, err == nil
}

func (h *argon2idHash) matches(password []byte) bool {
	keyBytes := uint32(len(h.key)) //nolint:gosec // at most 1 KiB
	key := argon2.IDKey(password, h.salt, h.passes, h.memoryKiB, h.threads, keyBytes)
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

func (h *argon2idHash) decoy() passwordHash {
	d := *h
	d.salt, d.key = randomBytes(len(h.salt)), randomBytes(len(h.key))
	return &d
}
