package osb

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
)

// gzipReaders keeps readers for reuse: each holds some 40 KiB.
var gzipReaders sync.Pool

// Inflate returns what data is under its Content-Encoding (all lines of the header, joined by commas). Without one, or
// with identity, that is data itself. With gzip or x-gzip it is the decompressed data, of which there may be at most
// limit bytes.
//
// It returns a *RequestError: KindTooLarge above the limit, KindBadRequest for broken gzip data, none at all included,
// KindUnsupportedEncoding for other encodings and for several.
func Inflate(contentEncoding string, data []byte, limit int64) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(contentEncoding)) {
	case "", "identity":
		return data, nil
	case "gzip", "x-gzip":
		return gunzip(data, limit)
	default:
		return nil, &RequestError{
			Kind:        KindUnsupportedEncoding,
			Description: "the body has a Content-Encoding other than gzip",
		}
	}
}

func gunzip(data []byte, limit int64) ([]byte, error) {
	reader, pooled := gzipReaders.Get().(*gzip.Reader)
	if !pooled {
		reader = new(gzip.Reader)
	}
	source := bytes.NewReader(data)
	defer func() {
		source.Reset(nil) // the reader waits in the pool without the data
		gzipReaders.Put(reader)
	}()
	if err := reader.Reset(source); err != nil {
		return nil, badRequest("the body is not valid gzip data")
	}

	limit = max(limit, 0)
	var inflated bytes.Buffer
	// One byte more than allowed tells too much from just enough.
	n, err := inflated.ReadFrom(io.LimitReader(reader, min(limit, math.MaxInt64-1)+1))
	switch {
	case n > limit:
		return nil, &RequestError{
			Kind:        KindTooLarge,
			Description: fmt.Sprintf("the body has more than %d bytes, decompressed", limit),
		}
	case err != nil:
		return nil, badRequest("the body is not valid gzip data")
	default:
		return inflated.Bytes(), nil
	}
}
