package filestore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// documentHeader is the size of what comes before the content of a document: the checksum of all that follows and of
// the key (4), and the version (8).
const documentHeader = 4 + 8

// documentKey is the key of a document. It begins with a letter, for a name may be empty and a key may not.
func documentKey(name string) []byte {
	return append([]byte{'d'}, name...)
}

func checkName(name string) error {
	if 1+len(name) > bbolt.MaxKeySize {
		return fmt.Errorf("the name of the document has %d bytes, more than the file can hold", len(name))
	}
	return nil
}

func checkData(data []byte) error {
	if documentHeader+len(data) > bbolt.MaxValueSize {
		return errors.New("the document is larger than the file can hold")
	}
	return nil
}

func encodeDocument(key []byte, document routing.Document) []byte {
	value := make([]byte, documentHeader, documentHeader+len(document.Data))
	binary.BigEndian.PutUint64(value[4:], document.Version)
	value = append(value, document.Data...)
	binary.BigEndian.PutUint32(value, checksum(key, value[4:]))
	return value
}

// readDocument returns a document with a copy of its content, or one with version 0.
func readDocument(tx *bbolt.Tx, key []byte) (routing.Document, error) {
	value := tx.Bucket(documentsBucket).Get(key)
	if value == nil {
		return routing.Document{}, nil
	}
	if len(value) < documentHeader || binary.BigEndian.Uint32(value) != checksum(key, value[4:]) {
		return routing.Document{}, fmt.Errorf("%w: the document %.80q is not what was written", errDamaged, key[1:])
	}
	return routing.Document{
		Version: binary.BigEndian.Uint64(value[4:]),
		Data:    append([]byte{}, value[documentHeader:]...),
	}, nil
}
