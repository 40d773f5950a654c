package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Source makes requests: the bytes of the next one, which are sent before it is called again for the same connection.
type Source func(buffer []byte) []byte

// Load sends requests over some connections for a while, one after the other on each, and returns how many were answered
// in a second. It costs little itself: it writes bytes and looks at the status and the length of what comes.
func Load(address string, connections int, length time.Duration, source Source) (float64, error) {
	var answered atomic.Int64
	failures := make(chan error, connections)
	var group sync.WaitGroup
	began := time.Now()
	deadline := began.Add(length)
	for range connections {
		group.Go(func() {
			if err := drive(address, deadline, source, &answered); err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	elapsed := time.Since(began)
	select {
	case err := <-failures:
		return 0, err
	default:
		return float64(answered.Load()) / elapsed.Seconds(), nil
	}
}

// drive sends requests over one connection.
func drive(address string, deadline time.Time, source Source, answered *atomic.Int64) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReaderSize(conn, 64<<10)
	var buffer []byte
	for time.Now().Before(deadline) {
		buffer = source(buffer[:0])
		if _, err := conn.Write(buffer); err != nil {
			return err
		}
		status, err := ReadAnswer(reader)
		if err != nil {
			return err
		}
		if status/100 != 2 {
			return fmt.Errorf("answered with %d: %.300q", status, buffer)
		}
		answered.Add(1)
	}
	return nil
}

var lengthField = []byte("content-length:")

// ReadAnswer reads an answer that tells its length, and returns its status.
func ReadAnswer(reader *bufio.Reader) (status int, err error) {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, fmt.Errorf("not an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, fmt.Errorf("not an answer: %q", line)
	}
	length := -1
	for {
		if line, err = reader.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) == len("\r\n") {
			break
		}
		if len(line) > len(lengthField) && bytes.EqualFold(line[:len(lengthField)], lengthField) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthField):]))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("the answer does not tell its length")
	}
	_, err = io.CopyN(io.Discard, reader, int64(length))
	return status, err
}
