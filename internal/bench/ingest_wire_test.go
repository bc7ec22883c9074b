package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
	"github.com/tidaldb/tidal/internal/workload"
)

// writes is a server that takes down what it's sent, and answers as it's told.
type writes struct {
	tidalpbconnect.UnimplementedTidalHandler
	got    []*tidalpb.WriteRequest
	answer func(*tidalpb.WriteRequest) (*tidalpb.WriteResponse, error)
}

func (s *writes) Write(_ context.Context, req *tidalpb.WriteRequest) (*tidalpb.WriteResponse, error) {
	s.got = append(s.got, req)
	return s.answer(req)
}

// What a benchmark's own connection sends is what the generated code reads at the other end, and an answer that isn't a
// new receipt fails.
func TestTheWireSaysWhatTheWorkloadInvents(t *testing.T) {
	s := &writes{}
	mux := http.NewServeMux()
	mux.Handle(tidalpbconnect.NewTidalHandler(s))
	server := httptest.NewServer(mux)
	defer server.Close()
	w, err := workload.New(workload.Config{Seed: 7, Dist: workload.Zipf, Items: 100, Users: 50, Cohorts: 2})
	if err != nil {
		t.Fatal(err)
	}
	all := newClients(w, 2)
	if err := all.connect(t.Context(), w, server.URL); err != nil {
		t.Fatal(err)
	}
	receipt := func(r *tidalpb.Receipt) func(*tidalpb.WriteRequest) (*tidalpb.WriteResponse, error) {
		return func(*tidalpb.WriteRequest) (*tidalpb.WriteResponse, error) {
			return &tidalpb.WriteResponse{Receipt: r}, nil
		}
	}
	s.answer = receipt(&tidalpb.Receipt{Count: Batch, Position: "1/1/1:1", Token: strings.Repeat("t", 200)})
	for range 3 {
		if err := all[1].write(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	again, events := w.Source(1), make([]workload.Event, Batch)
	for i, req := range s.got {
		again.Next(all[1].times[i], events)
		if req.GetLane() != "connection-1" || req.GetNumber() != int64(i+1) || len(req.GetRecords()) != Batch {
			t.Fatalf("request %d: %s, %d, %d records", i, req.GetLane(), req.GetNumber(), len(req.GetRecords()))
		}
		for j, e := range events {
			x := req.GetRecords()[j].GetSignal()
			got := fmt.Sprint(x.GetType(), x.GetItem(), x.GetUser(), x.GetTimeMs(), x.GetCohorts())
			if want := fmt.Sprint(workload.TypeName(e.Type), w.Item(e.Item), w.User(e.User), e.Time, w.Cohorts(e.User)); got != want {
				t.Fatalf("request %d, signal %d: %s, want %s", i, j, got, want)
			}
		}
	}
	for name, answer := range map[string]func(*tidalpb.WriteRequest) (*tidalpb.WriteResponse, error){
		"a duplicate":   receipt(&tidalpb.Receipt{Duplicate: true}),
		"a future time": receipt(&tidalpb.Receipt{Clamped: 1}),
		"no receipt":    receipt(nil),
		"an error": func(*tidalpb.WriteRequest) (*tidalpb.WriteResponse, error) {
			return nil, connect.NewError(connect.CodeUnavailable, errors.New("not now"))
		},
	} {
		s.answer = answer
		before := len(all[0].times)
		if err := all[0].write(t.Context(), time.Now()); err == nil || len(all[0].times) != before {
			t.Errorf("%s is an acknowledgement: %v", name, err)
		}
	}
	server.Close()
	if err := all[1].write(t.Context(), time.Now()); err == nil {
		t.Error("nobody is there, and acknowledges")
	}
	if err := all.close(); err != nil {
		t.Error(err)
	}
	if err := all.connect(t.Context(), w, server.URL); err == nil {
		t.Error("nobody is there, and lets connections in")
	}
}
