package server

import (
	"context"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// dial connects with the client that most callers of gRPC have.
func (w *world) dial(opts ...grpc.CallOption) *grpc.ClientConn {
	w.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+w.http.Listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(opts...))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestGRPCsOwnClientIsAPeer(t *testing.T) {
	w := open(t, func(o *Options) { o.Authorize = byName })
	w.furnish()
	for name, opts := range map[string][]grpc.CallOption{"plain": nil, "gzip": {grpc.UseCompressor(gzip.Name)}} {
		conn := w.dial(opts...)
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer write", "x-request-id", "from-"+name)
		var wrote tidalpb.WriteResponse
		var head metadata.MD
		req := &tidalpb.WriteRequest{Lane: name, Number: 1, Records: []*tidalpb.Record{signal("view", "jazz-1", name)}}
		if err := conn.Invoke(ctx, tidalpbconnect.TidalWriteProcedure, req, &wrote, grpc.Header(&head)); err != nil {
			t.Fatal(err)
		}
		if wrote.GetReceipt().GetCount() != 1 || head.Get("x-request-id")[0] != "from-"+name || len(head.Get("tidal-token")) != 1 {
			t.Errorf("%v %v", &wrote, head)
		}
		var list tidalpb.RankResponse
		ask := &tidalpb.RankRequest{Query: &tidalpb.RankRequest_Text{Text: "RANK items USING new LIMIT 3"}}
		if err := conn.Invoke(ctx, tidalpbconnect.TidalRankProcedure, ask, &list); err != nil || len(list.GetItems()) != 3 {
			t.Errorf("%v %v", &list, err)
		}
		refusals(t, ctx, conn)
		streams(t, ctx, conn, name)
		lines, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, tidalpbconnect.TidalExportProcedure)
		if err != nil {
			t.Fatal(err)
		}
		if err := lines.SendMsg(&tidalpb.ExportRequest{From: timeMessage(time.Unix(1, 0)), Types: []string{"view"}, User: name}); err != nil {
			t.Fatal(err)
		}
		if err := lines.CloseSend(); err != nil {
			t.Fatal(err)
		}
		n := 0
		var e tidalpb.ExportResponse
		for err = lines.RecvMsg(&e); err == nil; err = lines.RecvMsg(&e) {
			n++
		}
		if err != io.EOF || n != 1 || lines.Trailer().Get("tidal-export-whole")[0] != "true" { //nolint:errorlint // gRPC returns it as it is
			t.Errorf("%d events, %v, %v", n, err, lines.Trailer())
		}
		health, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: tidalpbconnect.TidalName})
		if err != nil || health.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("%v %v", health, err)
		}
	}
}

// refusals asks for what is refused.
func refusals(t *testing.T, ctx context.Context, conn *grpc.ClientConn) {
	t.Helper()
	for _, c := range []struct {
		ctx    context.Context
		method string
		req    any
		code   codes.Code
		word   string
	}{
		{ctx, tidalpbconnect.TidalWriteProcedure, &tidalpb.WriteRequest{}, codes.InvalidArgument, "refused"},
		{ctx, tidalpbconnect.AdminCheckpointProcedure, &tidalpb.CheckpointRequest{}, codes.PermissionDenied, "forbidden"},
		{t.Context(), tidalpbconnect.TidalStatsProcedure, &tidalpb.StatsRequest{}, codes.Unauthenticated, "no_key"},
	} {
		s := status.Convert(conn.Invoke(c.ctx, c.method, c.req, &tidalpb.WriteResponse{}))
		if s.Code() != c.code || len(s.Details()) != 1 {
			t.Errorf("%s: %v %v", c.method, s, s.Details())
			continue
		}
		if p, ok := s.Details()[0].(*tidalpb.Problem); !ok || p.GetCode() != c.word {
			t.Errorf("%s: %v", c.method, s.Details())
		}
	}
	late, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	if err := conn.Invoke(late, tidalpbconnect.TidalStatsProcedure, &tidalpb.StatsRequest{}, &tidalpb.StatsResponse{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("%v", err)
	}
}

// streams writes a stream of requests.
func streams(t *testing.T, ctx context.Context, conn *grpc.ClientConn, lane string) {
	t.Helper()
	both, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, tidalpbconnect.TidalStreamWritesProcedure)
	if err != nil {
		t.Fatal(err)
	}
	for n := int64(2); n <= 20; n++ {
		write := &tidalpb.WriteRequest{Lane: lane, Number: n, Records: []*tidalpb.Record{signal("like", "jazz-2", "u")}}
		if err := both.SendMsg(&tidalpb.StreamWritesRequest{Write: write, InFlight: 4}); err != nil {
			t.Fatal(err)
		}
	}
	if err := both.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for n := int64(0); n < 19; n++ {
		var got tidalpb.StreamWritesResponse
		if err := both.RecvMsg(&got); err != nil || got.GetIndex() != n {
			t.Fatalf("%v %v", &got, err)
		}
	}
}
