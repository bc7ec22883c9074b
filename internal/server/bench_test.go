package server

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// measured is a server with 1,000 items and no socket, so that what is measured is this package and the database.
func measured(b *testing.B) *Server {
	b.Helper()
	s, err := schema.ParseYAML("records.yaml", []byte(recordsYAML))
	if err != nil {
		b.Fatal(err)
	}
	db, err := tidal.Open(filepath.Join(b.TempDir(), "db"), s, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	var records []tidal.Record
	for i := range 1000 {
		id := fmt.Sprintf("item-%04d", i)
		records = append(records, tidal.Put{Kind: tidal.Item, ID: id, Fields: tidal.Fields{"category": schema.String("jazz")}},
			tidal.Signal{Type: "view", Item: id, User: fmt.Sprint(i % 50)})
	}
	if _, err := db.Write(b.Context(), tidal.Request{Records: records}); err != nil {
		b.Fatal(err)
	}
	return New(Options{DB: db})
}

func post(b *testing.B, s *Server, path, contentType string, body []byte) {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), "POST", path, bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 200 {
		b.Fatalf("%d %s", w.Code, w.Body)
	}
}

// BenchmarkRank answers the same list of 25 without a server, as JSON and in binary form.
func BenchmarkRank(b *testing.B) {
	s := measured(b)
	const text = `RANK items FOR USER "7" USING new LIMIT 25`
	b.Run("database", func(b *testing.B) {
		q, err := query.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := s.db.Rank(b.Context(), q); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		body := []byte(`{"rank":"items","user":"7","profile":"new","limit":25}`)
		for b.Loop() {
			post(b, s, "/v1/rank", typeJSON, body)
		}
	})
	b.Run("binary", func(b *testing.B) {
		body, err := proto.Marshal(&tidalpb.RankRequest{Query: &tidalpb.RankRequest_Text{Text: text}})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			post(b, s, tidalpbconnect.TidalRankProcedure, "application/proto", body)
		}
	})
}

// BenchmarkSignals writes 64 signals a request; the database's part is a sync of the disk.
func BenchmarkSignals(b *testing.B) {
	s := measured(b)
	one := `{"type":"view","item":"item-0007","user":"7"}`
	b.Run("json", func(b *testing.B) {
		body := []byte(`{"signals":[` + one + strings.Repeat(","+one, 63) + `]}`)
		for b.Loop() {
			post(b, s, "/v1/signals", typeJSON, body)
		}
	})
	b.Run("binary", func(b *testing.B) {
		m := &tidalpb.WriteRequest{}
		for range 64 {
			m.Records = append(m.Records, signal("view", "item-0007", "7"))
		}
		body, err := proto.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			post(b, s, tidalpbconnect.TidalWriteProcedure, "application/proto", body)
		}
	})
}
