package telemetry_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// quickBroker is a broker that costs next to nothing, so that what is measured is the gateway. It accepts every create
// and is at work for ever.
func quickBroker(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	say := func(status, body string) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			status, len(body), body)
	}
	published := say("200 OK", string(catalog("db")))
	polled, created := say("200 OK", `{"state":"in progress"}`), say("201 Created", `{}`)
	serve := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		reader := bufio.NewReader(conn)
		for {
			line, err := readMessage(reader)
			if err != nil {
				return
			}
			answer := polled
			switch {
			case strings.HasPrefix(line, "PUT "):
				answer = created
			case strings.Contains(line, " /v2/catalog"):
				answer = published
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return "http://" + listener.Addr().String()
}

// readMessage reads a request or an answer, and returns its first line. Its length is announced or nothing.
func readMessage(reader *bufio.Reader) (string, error) {
	first, err := reader.ReadString('\n')
	length := 0
	for err == nil {
		var line []byte
		if line, err = reader.ReadSlice('\n'); len(line) <= len("\r\n") {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, reader, int64(length))
	}
	return first, err
}

// load sends calls over 32 connections, for so long, and returns how many were answered in a second.
func load(address string, length time.Duration, next func() string) (float64, error) {
	const connections = 32
	var (
		running  sync.WaitGroup
		answered atomic.Int64
		failures = make(chan error, connections)
	)
	began := time.Now()
	for range connections {
		running.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				failures <- err
				return
			}
			defer func() { _ = conn.Close() }()
			reader := bufio.NewReader(conn)
			for time.Since(began) < length {
				if _, err := io.WriteString(conn, next()); err != nil {
					failures <- err
					return
				}
				line, err := readMessage(reader)
				if err == nil && !strings.HasPrefix(line, "HTTP/1.1 20") {
					err = errors.New(line)
				}
				if err != nil {
					failures <- err
					return
				}
				answered.Add(1)
			}
		})
	}
	running.Wait()
	select {
	case err := <-failures:
		return 0, err
	default:
		return float64(answered.Load()) / time.Since(began).Seconds(), nil
	}
}
