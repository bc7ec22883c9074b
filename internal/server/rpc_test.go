package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// protocols are all ways to call a procedure.
func (w *world) protocols() map[string][]connect.ClientOption {
	return map[string][]connect.ClientOption{
		"connect": nil, "connect json": {connect.WithProtoJSON()}, "grpc": {connect.WithGRPC()},
		"grpc json": {connect.WithGRPC(), connect.WithProtoJSON()}, "grpc-web": {connect.WithGRPCWeb()},
		"connect get": {connect.WithHTTPGet()},
		"gzip":        {connect.WithSendGzip()}, "zstd": {
			connect.WithAcceptCompression("zstd", newZstdReader, newZstdWriter), connect.WithSendCompression("zstd"),
		},
	}
}

func (w *world) calling(f func(t *testing.T, data tidalpbconnect.TidalClient, admin tidalpbconnect.AdminClient)) {
	w.t.Helper()
	for name, opts := range w.protocols() {
		w.t.Run(name, func(t *testing.T) {
			client := w.client(true)
			f(t, tidalpbconnect.NewTidalClient(client, w.http.URL, opts...), tidalpbconnect.NewAdminClient(client, w.http.URL, opts...))
		})
	}
}

func signal(kind, item, user string) *tidalpb.Record {
	return &tidalpb.Record{Record: &tidalpb.Record_Signal{Signal: &tidalpb.Signal{Type: kind, Item: item, User: user}}}
}

func TestEveryProtocolWritesAndReads(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	w.calling(func(t *testing.T, data tidalpbconnect.TidalClient, admin tidalpbconnect.AdminClient) {
		ctx := t.Context()
		user := t.Name()
		put := &tidalpb.Put{Kind: tidalpb.Kind_KIND_ITEM, Id: "new \xc3\xa9", Fields: map[string]*tidalpb.Value{
			"title":     {Value: &tidalpb.Value_StringValue{StringValue: "Kind of Blue"}},
			"plays":     {Value: &tidalpb.Value_IntValue{IntValue: 1 << 60}},
			"price":     {Value: &tidalpb.Value_FloatValue{FloatValue: 1.5}},
			"free":      {Value: &tidalpb.Value_BoolValue{BoolValue: true}},
			"content":   {Value: &tidalpb.Value_Vector{Vector: &tidalpb.Vector{Values: []float32{1, 2, 3}}}},
			"place":     {Value: &tidalpb.Value_Geo{Geo: &tidalpb.Geo{Lat: 1, Lon: 2}}},
			"tags":      {Value: &tidalpb.Value_Tags{Tags: &tidalpb.Tags{Values: []string{"a", "b"}}}},
			"published": {Value: &tidalpb.Value_TimeMs{TimeMs: 1_700_000_000_000}},
		}}
		res, err := data.Write(ctx, &tidalpb.WriteRequest{Records: []*tidalpb.Record{
			{Record: &tidalpb.Record_Put{Put: put}},
			signal("view", "jazz-1", user),
			{Record: &tidalpb.Record_Relate{Relate: &tidalpb.Relate{User: user, Relation: tidalpb.Relation_RELATION_FOLLOWS, Target: "miles"}}},
			{Record: &tidalpb.Record_SetMark{SetMark: &tidalpb.SetMark{User: user, Item: "jazz-2", Mark: tidalpb.Mark_MARK_SAVED}}},
			{Record: &tidalpb.Record_Collect{Collect: &tidalpb.Collect{User: user, Item: "jazz-3", Collection: "later"}}},
		}})
		if err != nil || res.GetReceipt().GetCount() != 5 || res.GetReceipt().GetPosition() == "" {
			t.Fatalf("%v %v", res, err)
		}
		got, err := data.Get(ctx, &tidalpb.GetRequest{Kind: tidalpb.Kind_KIND_ITEM, Id: put.Id})
		if err != nil || len(got.GetEntity().GetFields()) != len(put.Fields) {
			t.Fatalf("%v %v", got, err)
		}
		for name, v := range put.Fields {
			if !proto.Equal(v, got.Entity.Fields[name]) {
				t.Errorf("%s: got %v, want %v", name, got.Entity.Fields[name], v)
			}
		}
		state, err := data.User(ctx, &tidalpb.UserRequest{User: user})
		if err != nil || len(state.GetTies()) != 4 || len(state.GetRecents()) != 1 {
			t.Fatalf("%v %v", state, err)
		}
		if list, err := data.List(ctx, &tidalpb.ListRequest{Kind: tidalpb.Kind_KIND_ITEM, Limit: 2}); err != nil || len(list.GetEntities()) != 2 || list.GetNext() != "jazz-2" {
			t.Errorf("%v %v", list, err)
		}
		if cell, err := data.Cell(ctx, &tidalpb.CellRequest{Item: "jazz-1", Type: "view"}); err != nil || cell.GetTotal() == 0 || cell.Unique == nil {
			t.Errorf("%v %v", cell, err)
		}
		if _, err := admin.Checkpoint(ctx, &tidalpb.CheckpointRequest{}); err != nil {
			t.Error(err)
		}
		w.ranks(t, data, user)
	})
}

// ranks asks for one list in each form of a query.
func (w *world) ranks(t *testing.T, data tidalpbconnect.TidalClient, user string) {
	t.Helper()
	object, err := structpb.NewStruct(map[string]any{"rank": "items", "user": user, "profile": "new", "limit": 3, "seed": 7, "at": "2026-03-01T12:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	at := timestamppb.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	seed := uint64(7)
	var first *tidalpb.RankResponse
	for i, m := range []*tidalpb.RankRequest{
		{Query: &tidalpb.RankRequest_Text{Text: fmt.Sprintf(`RANK items FOR USER %q USING new LIMIT 3 SEED 7 AT "2026-03-01T12:00:00Z"`, user)}},
		{Query: &tidalpb.RankRequest_Json{Json: fmt.Sprintf(`{"rank":"items","user":%q,"profile":"new","limit":3,"seed":7,"at":"2026-03-01T12:00:00Z"}`, user)}},
		{Query: &tidalpb.RankRequest_Object{Object: object}},
		{Query: &tidalpb.RankRequest_Typed{Typed: &tidalpb.RankQuery{User: user, Profile: "new", Limit: 3, Seed: &seed, At: at}}, WithCursor: true, WithAsOf: true},
	} {
		got, err := data.Rank(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.GetItems()) != 3 || got.GetFeed() == 0 || got.GetSeed() != 7 || len(got.GetItems()[0].GetRef()) == 0 {
			t.Fatalf("form %d: %v", i, got)
		}
		if first == nil {
			first = got
		}
		for j := range got.Items {
			if got.Items[j].Item != first.Items[j].Item || got.Items[j].Score != first.Items[j].Score {
				t.Errorf("form %d: item %d is %v, want %v", i, j, got.Items[j], first.Items[j])
			}
		}
		if (got.Cursor != "") != (i == 3) || (got.AsOf != "") != (i == 3) {
			t.Errorf("form %d: cursor %q, as of %q", i, got.Cursor, got.AsOf)
		}
		first = got
	}
	next, err := data.Rank(t.Context(), &tidalpb.RankRequest{Query: &tidalpb.RankRequest_Typed{
		Typed: &tidalpb.RankQuery{User: user, Profile: "new", Limit: 3, Seed: &seed, At: at, Cursor: first.Cursor, Explain: true},
	}})
	if err != nil || len(next.GetItems()) == 0 {
		t.Fatalf("%v %v", next, err)
	}
	for _, x := range next.Items {
		if len(x.Terms) == 0 || slices.ContainsFunc(first.Items, func(y *tidalpb.RankedItem) bool { return x.Item == y.Item }) {
			t.Errorf("the next page: %v", x)
		}
	}
	why, err := data.Explain(t.Context(), &tidalpb.ExplainRequest{Rank: &tidalpb.RankRequest{Query: &tidalpb.RankRequest_Object{Object: object}}})
	if err != nil || why.GetPlan() == "" || len(why.GetAnswer().GetItems()[0].GetTerms()) == 0 {
		t.Errorf("%v %v", why, err)
	}
}

// problemIn is the Problem among an error's details.
func problemIn(t *testing.T, err error) *tidalpb.Problem {
	t.Helper()
	var e *connect.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no error of an RPC", err)
	}
	for _, d := range e.Details() {
		if v, err := d.Value(); err == nil {
			if p, ok := v.(*tidalpb.Problem); ok {
				return p
			}
		}
	}
	t.Fatalf("%v has no problem among its details", err)
	return nil
}

func TestProblemsAreTheSameInEveryProtocol(t *testing.T) {
	w := open(t, nil)
	w.calling(func(t *testing.T, data tidalpbconnect.TidalClient, admin tidalpbconnect.AdminClient) {
		ctx := t.Context()
		_, err := data.Write(ctx, &tidalpb.WriteRequest{Records: []*tidalpb.Record{signal("view", "a", ""), signal("none", "a", "")}})
		p := problemIn(t, err)
		if connect.CodeOf(err) != connect.CodeInvalidArgument || p.Code != "refused" || p.Field != "type" || p.Record == nil || *p.Record != 1 || p.RequestId == "" {
			t.Errorf("%v: %v", err, p)
		}
		_, err = data.Get(ctx, &tidalpb.GetRequest{Kind: tidalpb.Kind_KIND_USER, Id: "nobody"})
		if p := problemIn(t, err); connect.CodeOf(err) != connect.CodeNotFound || p.Code != "not_found" || p.Status != 404 {
			t.Errorf("%v: %v", err, p)
		}
		_, err = admin.ListApiKeys(ctx, &tidalpb.ListApiKeysRequest{})
		if p := problemIn(t, err); connect.CodeOf(err) != connect.CodeUnimplemented || p.Code != "not_offered" {
			t.Errorf("%v: %v", err, p)
		}
		_, err = data.Rank(ctx, &tidalpb.RankRequest{})
		if p := problemIn(t, err); p.Code != "refused" || p.Field != "query" {
			t.Errorf("%v: %v", err, p)
		}
		_, err = data.List(ctx, &tidalpb.ListRequest{})
		if p := problemIn(t, err); p.Code != "refused" || p.Field != "kind" {
			t.Errorf("%v: %v", err, p)
		}
		_, err = data.Write(ctx, &tidalpb.WriteRequest{Records: []*tidalpb.Record{{}}})
		if p := problemIn(t, err); p.Code != "refused" || *p.Record != 0 {
			t.Errorf("%v: %v", err, p)
		}
	})
}

// methods calls f for every method of our services.
func methods(f func(path string, m protoreflect.MethodDescriptor)) {
	services := tidalpb.File_tidal_v1_service_proto.Services()
	for i := range services.Len() {
		for j := range services.Get(i).Methods().Len() {
			m := services.Get(i).Methods().Get(j)
			f("/"+string(services.Get(i).FullName())+"/"+string(m.Name()), m)
		}
	}
}

func TestProceduresAreThoseOfTheSchema(t *testing.T) {
	known := map[string]procedure{}
	for _, p := range procedures() {
		known[p.path] = p
	}
	methods(func(path string, m protoreflect.MethodDescriptor) {
		p, ok := known[path]
		if !ok {
			t.Errorf("%s isn't among the procedures", path)
		}
		if p.role == NoRole {
			t.Errorf("%s is for everybody", path)
		}
		if strings.Contains(path, ".Admin/") && p.role != Admin {
			t.Errorf("%s is for %v", path, p.role)
		}
		if stream := m.IsStreamingClient() || m.IsStreamingServer(); stream != streaming(path) {
			t.Errorf("%s: a stream: %v", path, stream)
		}
		delete(known, path)
	})
	for path := range known {
		t.Errorf("%s is no method", path)
	}
}

// post sends bytes to a procedure.
func (w *world) post(path, contentType string, body []byte, headers ...string) (reply, error) {
	r, err := http.NewRequestWithContext(w.t.Context(), "POST", w.http.URL+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.client(true).Do(r)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	for k, v := range res.Trailer {
		res.Header[k] = v
	}
	return reply{res.StatusCode, res.Header, string(data)}, err
}

func frame(data []byte) []byte {
	n := len(data)
	return append([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, data...)
}

func TestEveryProcedureRefusesWhatItCannotRead(t *testing.T) {
	w := open(t, func(o *Options) { o.Limits.Body = 32 << 10 })
	w.furnish()
	before := w.db.Digest()
	methods(func(path string, m protoreflect.MethodDescriptor) {
		stream := m.IsStreamingClient() || m.IsStreamingServer()
		large := bytes.Repeat([]byte(" "), 40<<10)
		for _, c := range []struct {
			name, kind string
			body       []byte
			want       []int // statuses of Connect; of gRPC the status is in the trailer
		}{
			{"no JSON", "application/json", []byte("{"), []int{400}},
			{"another type", "application/json", []byte("[]"), []int{400}},
			{"an unknown field", "application/json", []byte(`{"nosuch":1}`), []int{400}},
			{"too large", "application/json", large, []int{413, 429}},
			{"no message", "application/proto", []byte{0xff, 0xff}, []int{400}},
			{"another encoding", "application/xml", []byte("<a/>"), []int{415}},
			{"no frame", "application/grpc", []byte{9, 9}, nil},
			{"no message in a frame", "application/grpc", frame([]byte{0xff, 0xff}), nil},
			{"a frame that is too large", "application/grpc", frame(large), nil},
			{"a frame longer than the body", "application/grpc", []byte{0, 0, 0, 4, 0, 1}, nil},
			{"a compressed frame that isn't", "application/grpc", append([]byte{1}, frame([]byte("x"))[1:]...), nil},
			{"no frame for the web", "application/grpc-web", []byte{9, 9}, nil},
		} {
			if stream && c.want != nil && c.want[0] != 415 {
				c.kind = strings.Replace(c.kind, "application/", "application/connect+", 1)
				c.body, c.want = frame(c.body), []int{200} // the error is in the last frame
			}
			got, err := w.post(path, c.kind, c.body)
			if err != nil {
				t.Errorf("%s: %s: %v", path, c.name, err)
				continue
			}
			switch {
			case c.want == nil:
				status := got.header.Get("Grpc-Status")
				if status == "" {
					status = got.body // for the web it is the last frame
				}
				if status == "0" || status == "" || strings.Contains(status, "grpc-status: 0") {
					t.Errorf("%s: %s: grpc-status %q: %q", path, c.name, status, got.body)
				}
			case !slices.Contains(c.want, got.status):
				t.Errorf("%s: %s: status %d: %s", path, c.name, got.status, got.body)
			case stream && c.want[0] == 200 && !strings.Contains(got.body, `"error"`):
				t.Errorf("%s: %s: %q", path, c.name, got.body)
			}
		}
	})
	if w.db.Digest() != before {
		t.Error("something was written")
	}
	for _, f := range w.seen.requests() {
		if f.Code == "ok" {
			t.Errorf("the recorder was told of %+v", f)
		}
	}
}

func TestProceduresHaveRoles(t *testing.T) {
	w := open(t, func(o *Options) { o.Authorize = byName })
	for _, p := range procedures() {
		kinds := map[string]string{"application/grpc": "Grpc-Status", "application/proto": ""}
		if streaming(p.path) {
			kinds = map[string]string{"application/grpc": "Grpc-Status", "application/connect+json": ""}
		}
		for kind, header := range kinds {
			none, err := w.post(p.path, kind, nil)
			if err != nil {
				t.Fatal(err)
			}
			weak := reply{}
			if p.role > Read {
				if weak, err = w.post(p.path, kind, nil, "Authorization", "Bearer read"); err != nil {
					t.Fatal(err)
				}
			}
			switch {
			case header != "":
				if none.header.Get(header) != "16" || p.role > Read && weak.header.Get(header) != "7" {
					t.Errorf("%s: %v, %v", p.path, none.header, weak.header)
				}
			case !strings.Contains(none.body, "unauthenticated") || p.role > Read && !strings.Contains(weak.body, "permission_denied"):
				t.Errorf("%s: %s, %s", p.path, none.body, weak.body)
			}
		}
	}
}

func TestHealthAndReflection(t *testing.T) {
	ready := true
	w := open(t, func(o *Options) {
		o.Ready = func() bool { return ready }
		o.Authorize = byName
	})
	const check = "/grpc.health.v1.Health/Check"
	ask := func(service string) reply {
		message := append([]byte{0x0a, byte(len(service))}, service...)
		got, err := w.post(check, "application/grpc", frame(message))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct {
		service string
		ready   bool
		want    byte
	}{{"", true, 1}, {tidalpbconnect.TidalName, true, 1}, {tidalpbconnect.AdminName, false, 2}} {
		ready = c.ready
		if got := ask(c.service); got.body != string(frame([]byte{0x08, c.want})) || got.header.Get("Grpc-Status") != "0" {
			t.Errorf("%q: %q %v", c.service, got.body, got.header)
		}
	}
	if got := ask("x"); got.header.Get("Grpc-Status") != "5" {
		t.Errorf("a service that isn't there: %v", got.header)
	}
	got, err := w.post("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/grpc", frame([]byte{0x3a, 0}), "Authorization", "Bearer read")
	if err != nil || !strings.Contains(got.body, "tidal.v1.Admin") || !strings.Contains(got.body, grpchealth.HealthV1ServiceName) {
		t.Errorf("%v %v", got, err)
	}
}

func TestTimeouts(t *testing.T) {
	w := open(t, nil)
	client := tidalpbconnect.NewTidalClient(w.client(true), w.http.URL, connect.WithGRPC())
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := client.Stats(ctx, &tidalpb.StatsRequest{}); connect.CodeOf(err) != connect.CodeDeadlineExceeded {
		t.Errorf("%v", err)
	}
}
