package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// members is a group of three that a test rules.
type members struct {
	mu     sync.Mutex
	leader Leader
	latest []error // what the next calls of Latest answer
	asked  []string
	fail   error // of changes
}

func (m *members) Leader() Leader {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leader
}

func (m *members) leads(l Leader) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leader = l
}

func (m *members) Status(context.Context) (GroupStatus, error) {
	l := m.Leader()
	st := GroupStatus{Cluster: "c1", Replica: 1, Leader: l, Term: 7, Commit: 40, Applied: 39}
	for n := uint64(1); n <= 3; n++ {
		one := Member{Number: n, Address: fmt.Sprintf("10.0.0.%d:7879", n), Role: "follower", Known: l.Self, Active: n != 3, Lag: n - 1}
		if n == l.Number {
			one.Role, one.URL = "leader", l.URL
		}
		st.Members = append(st.Members, one)
	}
	return st, nil
}

func (m *members) Latest(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, "latest")
	if len(m.latest) == 0 {
		return nil
	}
	err := m.latest[0]
	m.latest = m.latest[1:]
	return err
}

func (m *members) Remove(_ context.Context, number uint64, force bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, fmt.Sprintf("remove %d %v", number, force))
	return m.fail
}

func (m *members) Transfer(_ context.Context, to uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, fmt.Sprintf("transfer %d", to))
	return m.fail
}

// pair are a leader and a follower, each with a database of its own, so that it shows which of them wrote.
type pair struct {
	leader, follower *world
	group            *members // the follower's
}

func openPair(t *testing.T, change func(*Options)) *pair {
	t.Helper()
	p := &pair{group: &members{}}
	p.leader = open(t, change)
	f := NewForwarder(nil)
	t.Cleanup(f.Close)
	p.follower = open(t, func(o *Options) {
		if change != nil {
			change(o)
		}
		o.Group, o.Forward = p.group, f
	})
	p.group.leads(Leader{Number: 1, URL: p.leader.http.URL, Address: "10.0.0.1:7879"})
	return p
}

// What a leader has to do a follower passes on, and answers as the leader does.
func TestAFollowerPassesOnWhatItMay(t *testing.T) {
	p := openPair(t, func(o *Options) { o.Keys = &keyring{}; o.Authorize = byName })
	p.leader.furnish()
	p.follower.furnish()
	before := p.follower.db.Digest()
	for _, r := range p.follower.server.allRoutes() {
		s := p.follower.sampleOf(t, r)
		if !r.endpoint().leads {
			continue
		}
		headers := []string{"Content-Type", s.contentType, "Authorization", "Bearer admin", "X-Request-Id", "r-" + r.path}
		path := s.path
		switch {
		case r.procedure == writeProcedure:
			headers = append(headers, headerKey, r.method+r.path)
		case strings.HasSuffix(r.path, "/signals") || strings.HasSuffix(r.path, "/notes") || strings.HasSuffix(r.path, "/searches"):
			path += fmt.Sprintf("?number=%d", map[byte]int{'s': 1, 'n': 2}[r.path[strings.LastIndex(r.path, "/")+1]])
			if strings.HasSuffix(r.path, "/searches") {
				path = s.path + "?number=3"
			}
		}
		count := len(p.leader.seen.requests())
		got := p.follower.send(r.method, path, s.body, headers...)
		if got.status != r.status || got.header.Get(headerLeader) != p.leader.http.URL {
			t.Errorf("%s %s: %d %s", r.method, path, got.status, got.body)
			continue
		}
		there := p.leader.seen.requests()
		if len(there) != count+1 || there[count].ID != "r-"+r.path || there[count].Caller.Key != "key-admin" {
			t.Errorf("%s %s: the leader was told %+v", r.method, path, there[count:])
		}
	}
	if p.follower.db.Digest() != before {
		t.Error("something was written at the follower")
	}
}

// A signal that would count as often as it arrives is the caller's to send again.
func TestAFollowerNeverPassesOnALanelessSignal(t *testing.T) {
	p := openPair(t, nil)
	p.leader.furnish()
	p.follower.furnish()
	before := p.leader.db.Digest()
	for path, body := range map[string]string{
		"/v1/signals":                      `{"type":"view","item":"jazz-1"}`,
		"/v1/signals?":                     `{"signals":[{"type":"view","item":"jazz-1"},{"type":"like","item":"jazz-1"}]}`,
		"/v1/sessions/ada/s1/signals":      `{"type":"view","item":"jazz-1"}`,
		tidalpbconnect.TidalWriteProcedure: `{"records":[{"put":{"kind":"KIND_ITEM","id":"x"}},{"signal":{"type":"view","item":"jazz-1"}}]}`,
	} {
		got := p.follower.send("POST", path, body)
		if !strings.Contains(got.body, "not_leader") && !strings.Contains(got.body, "failed_precondition") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
		if strings.HasPrefix(path, "/v1") {
			var doc struct{ Leader string }
			p.follower.want(421, "POST", path, body, &doc)
			if doc.Leader != p.leader.http.URL {
				t.Errorf("%s: the leader is %q", path, doc.Leader)
			}
		}
	}
	var doc struct{ Leader string }
	p.follower.want(421, "POST", "/v1/signals", views(3), &doc, "Content-Type", typeLines)
	if doc.Leader != p.leader.http.URL {
		t.Errorf("of lines without a lane the leader is %q", doc.Leader)
	}
	if p.leader.db.Digest() != before || len(p.leader.seen.requests()) != 0 {
		t.Error("the leader was asked")
	}
}

// Each protocol has its own way to say what came of a request, which survives being passed on.
func TestEveryProtocolIsPassedOn(t *testing.T) {
	p := openPair(t, nil)
	p.leader.furnish()
	p.follower.furnish()
	p.follower.calling(func(t *testing.T, data tidalpbconnect.TidalClient, admin tidalpbconnect.AdminClient) {
		m := &tidalpb.WriteRequest{Records: []*tidalpb.Record{signal("view", "jazz-1", "ada")}, Lane: t.Name(), Number: 1}
		for n := range 2 {
			res, err := data.Write(t.Context(), m)
			if err != nil || res.GetReceipt().GetDuplicate() != (n == 1) {
				t.Fatalf("%v, %v", res, err)
			}
		}
		m.Records[0].GetSignal().Weight = -1
		m.Number = 2
		_, err := data.Write(t.Context(), m)
		if problem := problemIn(t, err); problem.GetCode() != "refused" || problem.GetField() != "weight" {
			t.Errorf("what the leader refuses comes back as %v", err)
		}
		m.Lane, m.Number, m.Records[0].GetSignal().Weight = "", 0, 1
		_, err = data.Write(t.Context(), m)
		if problem := problemIn(t, err); problem.GetCode() != "not_leader" || problem.GetLeader() != p.leader.http.URL {
			t.Errorf("a bare signal: %v", err)
		}
		if _, err := admin.TransferLeadership(t.Context(), &tidalpb.TransferLeadershipRequest{}); err != nil {
			t.Error(err)
		}
		if got, err := data.Cluster(t.Context(), &tidalpb.ClusterRequest{}); err != nil || got.GetLeaderUrl() != p.leader.http.URL {
			t.Errorf("%v, %v", got, err)
		}
	})
	if n := p.follower.db.Stats().Signals; n != 2 { // those of furnish
		t.Errorf("%d signals were written at the follower", n)
	}
}

// Lines under a lane are passed on as they come, and acknowledged as they are written.
func TestLinesArePassedOnAsTheyCome(t *testing.T) {
	p := openPair(t, nil)
	in, out := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "POST", p.follower.http.URL+"/v1/signals?lane=l&batch=1", in)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", typeLines)
	go func() { _, _ = io.WriteString(out, views(1)) }()
	res, err := p.follower.client(false).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for n := 1; n <= 3; n++ {
		line, err := lines.ReadString('\n')
		if err != nil || !strings.Contains(line, fmt.Sprintf(`"number":%d,"kept":%d`, n, n)) {
			t.Fatalf("%s, %v", line, err)
		}
		if n < 3 {
			_, _ = io.WriteString(out, views(1))
		}
	}
	_ = out.Close()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("%s, %v", rest, err)
	}
	if a, b := p.leader.db.Stats().Signals, p.follower.db.Stats().Signals; a != 3 || b != 0 {
		t.Errorf("the leader has %d signals, the follower %d", a, b)
	}
}

func TestAStreamOfWritesIsTheLeaders(t *testing.T) {
	p := openPair(t, nil)
	stream, err := tidalpbconnect.NewTidalClient(p.follower.client(true), p.follower.http.URL).StreamWrites(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&tidalpb.StreamWritesRequest{Write: &tidalpb.WriteRequest{Lane: "l", Number: 1, Records: []*tidalpb.Record{signal("view", "a", "b")}}})
	_, err = stream.Receive()
	if doc := problemIn(t, err); doc.GetCode() != "not_leader" || doc.GetLeader() != p.leader.http.URL {
		t.Errorf("%v", err)
	}
	_ = stream.CloseRequest()
	_ = stream.CloseResponse()
}

// A request is passed on once, and what isn't known afterwards is said to be unknown.
func TestWhatBecomesOfARequestThatIsPassedOn(t *testing.T) {
	p := openPair(t, nil)
	const keyed, body = "/v1/signals", `{"type":"view","item":"jazz-1"}`
	send := func(status int, code string, headers ...string) (doc struct {
		problemDoc
		Leader string
	},
	) {
		t.Helper()
		got := p.follower.want(status, "POST", keyed, body, &doc, append(headers, headerKey, "k-"+code)...)
		if doc.Code != code || doc.RetryAfterMs > 0 != (got.header.Get("Retry-After") != "") {
			t.Errorf("%d %s", got.status, got.body)
		}
		return doc
	}
	if doc := send(421, "not_leader", headerForwarded, "2"); doc.Leader != p.leader.http.URL {
		t.Errorf("the leader is %q", doc.Leader)
	}
	p.group.leads(Leader{Number: 2, URL: p.follower.http.URL}) // who believes so himself
	send(421, "not_leader")
	p.group.leads(Leader{Number: 3, Address: "10.0.0.3:7879"})
	if doc := send(421, "not_leader"); doc.Leader != "" {
		t.Errorf("the leader is %q", doc.Leader)
	}
	p.group.leads(Leader{})
	if doc := send(503, "no_leader"); doc.RetryAfterMs == 0 {
		t.Error("it isn't to be tried again")
	}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	p.group.leads(Leader{Number: 1, URL: "http://" + dead.Addr().String()})
	send(503, "no_leader")
	for name, answer := range map[string]http.HandlerFunc{
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = w.Write([]byte("{"))
		},
		"isn't a tidal": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		other := httptest.NewServer(answer)
		p.group.leads(Leader{Number: 1, URL: other.URL})
		t.Log("the leader " + name)
		send(504, "unknown")
		other.Close()
	}
	if p.leader.db.Stats().Signals != 0 {
		t.Error("something was written")
	}
}

// Bad requests are refused where they arrive if they can't be read, and where they'd be written if they can.
func TestBadRequestsAreRefusedOnTheWay(t *testing.T) {
	p := openPair(t, func(o *Options) { o.Limits.Body = 64 << 10; o.Authorize = byName })
	admin := []string{"Authorization", "Bearer admin"}
	p.follower.refuses(401, "no_key", "PUT", "/v1/items/a", `{}`)
	p.follower.refuses(403, "forbidden", "PUT", "/v1/items/a", `{}`, "Authorization", "Bearer read")
	p.follower.refuses(413, "too_large", "PUT", "/v1/items/a", strings.Repeat(" ", 65<<10), admin...)
	p.follower.refuses(400, "malformed", "POST", "/v1/signals", `{`, admin...)
	if n := len(p.leader.seen.requests()); n != 0 {
		t.Errorf("the leader was asked %d times", n)
	}
	if doc := p.follower.refuses(400, "refused", "PUT", "/v1/items/a", `{"titel":"x"}`, admin...); doc.Field != "fields.titel" {
		t.Errorf("field %q", doc.Field)
	}
	p.follower.refuses(400, "refused", "POST", "/v1/cluster/remove", `{}`, admin...)
	p.follower.refuses(400, "refused", "POST", "/v1/cluster/transfer", `{"to":-1}`, admin...)
}

func TestChangesOfMembers(t *testing.T) {
	m := &members{leader: Leader{Number: 1, Self: true, URL: "http://one:7878"}}
	w := open(t, func(o *Options) { o.Group = m })
	var st struct {
		Replica, Leader int
		LeaderURL       string `json:"leader_url"`
		Members         []struct {
			Number int
			Role   string
			Lag    *int
			Active *bool
		}
	}
	w.want(200, "GET", "/v1/cluster", "", &st)
	if st.LeaderURL != "http://one:7878" || len(st.Members) != 3 || st.Members[0].Role != "leader" || *st.Members[2].Lag != 2 || *st.Members[2].Active {
		t.Errorf("%+v", st)
	}
	w.want(200, "POST", "/v1/cluster/remove", `{"number":3,"force":true}`, nil)
	w.want(200, "POST", "/v1/cluster/transfer", `{"to":2}`, nil)
	if got := strings.Join(m.asked, ", "); got != "remove 3 true, transfer 2" {
		t.Errorf("the group was asked for %s", got)
	}
	m.fail = fmt.Errorf("remove: %w", fault.ErrChanging)
	w.refuses(409, "changing", "POST", "/v1/cluster/remove", `{"number":3}`)
	m.fail = fmt.Errorf("remove: %w", tidal.ErrNotFound)
	w.refuses(404, "not_found", "POST", "/v1/cluster/remove", `{"number":9}`)
	alone := w.reopened()
	alone.refuses(501, "not_offered", "GET", "/v1/cluster", "")
	alone.refuses(501, "not_offered", "POST", "/v1/cluster/remove", `{"number":3}`)
	alone.refuses(501, "not_offered", "POST", "/v1/cluster/transfer", `{}`)
}

// A read that asks for what is latest waits for it; each read of a replica says what it has seen.
func TestReadsOfAReplica(t *testing.T) {
	m := &members{leader: Leader{Number: 2, URL: "http://two:7878"}}
	w := open(t, func(o *Options) { o.Group = m })
	w.furnish()
	for _, r := range w.server.allRoutes() {
		s := w.sampleOf(t, r)
		if r.method != "GET" && r.body != bodyQuery || r.endpoint().role != Read {
			continue
		}
		got := w.send(r.method, s.path, s.body, "Content-Type", s.contentType)
		if got.status != 200 || r.stream == nil && got.header.Get(headerToken) == "" || got.header.Get(headerLeader) != "http://two:7878" {
			t.Errorf("%s %s: %d %v", r.method, s.path, got.status, got.header)
		}
		switch r.path {
		case "/v1/schema", "/v1/profiles", "/v1/stats", "/v1/cluster":
			continue // these wait for nothing
		}
		m.asked = nil
		w.want(200, r.method, s.path, s.body, nil, headerRead, readLatest, "Content-Type", s.contentType)
		if len(m.asked) != 1 {
			t.Errorf("%s %s asked the group for %v", r.method, s.path, m.asked)
		}
		m.latest = []error{fmt.Errorf("read: %w", fault.ErrNotLeader)}
		w.refuses(503, "no_leader", r.method, s.path, s.body, headerRead, readLatest, "Content-Type", s.contentType)
		if p := w.refuses(400, "refused", r.method, s.path, s.body, headerRead, "stale", "Content-Type", s.contentType); p.Field != headerRead {
			t.Errorf("field %q", p.Field)
		}
	}
}

// A leader that was deposed while a write was under way doesn't know what became of it, and nobody says otherwise.
func TestAWriteOfADeposedLeaderIsUnknown(t *testing.T) {
	p := openPair(t, nil)
	for _, not := range []error{&fault.NotLeader{}, &fault.NotLeader{Leader: 1, URL: p.leader.http.URL}, fault.ErrNotLeader} {
		err := fmt.Errorf("%w: leadership was lost: %w", fault.ErrUnknown, not)
		r := httptest.NewRequest("POST", "/v1/signals", nil)
		c := p.follower.server.newCall(httptest.NewRecorder(), r)
		kind, doc := p.follower.server.problemOf(c, err)
		if kind.code != "unknown" || doc.GetLeader() != "" || c.elsewhere(err) {
			t.Errorf("%v is %s, and passed on to %q", err, kind.code, c.leader)
		}
		var bare *unforwarded
		if errors.As(misdirected(err, false), &bare) {
			t.Errorf("%v is a refusal", err)
		}
	}
}

// A leader that is reached over TLS, with a certificate of an authority that only the cluster knows, gets what comes to a
// follower in clear text, over HTTP/2 where the protocol needs it.
func TestRequestsArePassedOnOverTLS(t *testing.T) {
	leader := open(t, nil)
	secure := httptest.NewUnstartedServer(leader.server)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	group := &members{leader: Leader{Number: 1, URL: secure.URL}}
	f := NewForwarder(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots})
	t.Cleanup(f.Close)
	follower := open(t, func(o *Options) { o.Group, o.Forward = group, f })
	follower.want(200, "PUT", "/v1/items/a", `{"title":"x"}`, nil)
	follower.calling(func(t *testing.T, data tidalpbconnect.TidalClient, _ tidalpbconnect.AdminClient) {
		m := &tidalpb.WriteRequest{Records: []*tidalpb.Record{signal("view", "jazz-1", "ada")}, Lane: t.Name(), Number: 1}
		if res, err := data.Write(t.Context(), m); err != nil || res.GetReceipt().GetCount() != 1 {
			t.Errorf("%v, %v", res, err)
		}
	})
	stranger := NewForwarder(nil)
	t.Cleanup(stranger.Close)
	follower = open(t, func(o *Options) { o.Group, o.Forward = group, stranger })
	follower.refuses(503, "no_leader", "PUT", "/v1/items/a", `{"title":"x"}`)
}
