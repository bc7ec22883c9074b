package server

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

func TestAStreamOfWritesIsAcknowledgedInOrder(t *testing.T) {
	w := open(t, nil)
	for name, opts := range map[string][]connect.ClientOption{"connect": nil, "grpc": {connect.WithGRPC()}} {
		for _, flight := range []int32{0, 1, 7, 64} {
			t.Run(fmt.Sprintf("%s, %d in flight", name, flight), func(t *testing.T) {
				stream, err := tidalpbconnect.NewTidalClient(w.client(true), w.http.URL, opts...).StreamWrites(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				const n = 100
				sent := make(chan error, 1)
				go func() {
					for i := int64(1); i <= n; i++ {
						m := &tidalpb.StreamWritesRequest{InFlight: flight, Write: &tidalpb.WriteRequest{
							Lane: t.Name(), Number: i, Records: []*tidalpb.Record{signal("view", t.Name(), "u")},
						}}
						if err := stream.Send(m); err != nil {
							sent <- err
							return
						}
					}
					sent <- stream.CloseRequest()
				}()
				for i := int64(0); i < n; i++ {
					got, err := stream.Receive()
					if err != nil || got.GetIndex() != i || got.GetReceipt().GetPosition() == "" {
						t.Fatalf("%d: %v %v", i, got, err)
					}
				}
				if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
					t.Errorf("behind the last one: %v", err)
				}
				if err := <-sent; err != nil {
					t.Error(err)
				}
				if got := w.total(t.Name(), "view"); got != n {
					t.Errorf("%d views", got)
				}
			})
		}
	}
}

func TestAStreamEndsWithTheFirstRefusal(t *testing.T) {
	w := open(t, nil)
	for _, flight := range []int32{1, 8} {
		item := fmt.Sprint("a", flight)
		stream, err := tidalpbconnect.NewTidalClient(w.client(true), w.http.URL).StreamWrites(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"view", "view", "none"} { // and then it stays open
			m := &tidalpb.StreamWritesRequest{InFlight: flight, Write: &tidalpb.WriteRequest{Records: []*tidalpb.Record{signal(kind, item, "u")}}}
			if err := stream.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 2 {
			if got, err := stream.Receive(); err != nil || got.GetIndex() != int64(i) {
				t.Fatalf("%v %v", got, err)
			}
		}
		_, err = stream.Receive()
		if p := problemIn(t, err); p.Code != "refused" || p.Field != "type" || p.Request == nil || *p.Request != 2 {
			t.Errorf("%v: %v", err, p)
		}
		if got := w.total(item, "view"); got != 2 {
			t.Errorf("%d views", got)
		}
		_ = stream.CloseRequest()
		_ = stream.CloseResponse()
	}
	stream, err := tidalpbconnect.NewTidalClient(w.client(true), w.http.URL).StreamWrites(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&tidalpb.StreamWritesRequest{InFlight: 65})
	if _, err := stream.Receive(); problemIn(t, err).Field != "in_flight" {
		t.Errorf("%v", err)
	}
}
