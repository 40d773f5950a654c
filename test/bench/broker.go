package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// Broker is a broker that costs next to nothing: it is in favour of everything, and looks at the method and the path only.
type Broker struct {
	URL     string
	catalog []byte
}

const (
	polled  = `{"state":"in progress","description":"creating the database"}`
	created = `{"dashboard_url":"https://dashboard.example.com/instances/1"}`
)

// Catalog has one offering with one plan.
const Catalog = `{"services":[{"id":"db-id","name":"db","description":"databases","bindable":true,` +
	`"plans":[{"id":"small-id","name":"small","description":"a small one"}]}]}`

// StartBroker starts a broker with a catalog. It ends with the test.
func StartBroker(t testing.TB, catalog string) *Broker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	b := &Broker{URL: "http://" + listener.Addr().String(), catalog: answer("200 OK", catalog)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go b.serve(conn)
		}
	}()
	return b
}

func answer(status, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		status, len(body), body)
}

func (b *Broker) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReaderSize(conn, 16<<10)
	poll, create := answer("200 OK", polled), answer("201 Created", created)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		said := poll
		switch {
		case strings.Contains(line, " /v2/catalog"):
			said = b.catalog
		case strings.HasPrefix(line, "PUT "):
			said = create
		}
		length := 0
		for {
			field, err := reader.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(field) == len("\r\n") {
				break
			}
			if len(field) > len(lengthField) && bytes.EqualFold(field[:len(lengthField)], lengthField) {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(field[len(lengthField):])))
			}
		}
		if _, err := io.CopyN(io.Discard, reader, int64(length)); err != nil {
			return
		}
		if _, err := conn.Write(said); err != nil {
			return
		}
	}
}
