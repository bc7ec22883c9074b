package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// service answers an application's own requests from a database in the same process.
type service struct {
	db *tidal.DB
	// patience is how long a request may wait for the disk.
	patience time.Duration
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /articles/{id}", s.putArticle)
	mux.HandleFunc("POST /readers/{reader}/events", s.postEvent)
	mux.HandleFunc("GET /readers/{reader}/feed", s.getFeed)
	// Every wait ends: with the client's connection, or when patience is over.
	return http.TimeoutHandler(mux, s.patience, `{"error":"the disk is too slow"}`)
}

// putArticle takes {"category": …, "title": …}. What a field may hold is for the schema to say.
func (s *service) putArticle(w http.ResponseWriter, r *http.Request) {
	var body map[string]json.RawMessage
	if !read(w, r, &body) {
		return
	}
	fields, err := fieldsOf(s.db.Schema(), body)
	if err == nil {
		_, err = s.db.Write(r.Context(), tidal.Request{
			Records: []tidal.Record{tidal.Put{Kind: tidal.Item, ID: r.PathValue("id"), Fields: fields}},
		})
	}
	answer(w, struct{}{}, err)
}

// fieldsOf reads fields as the schema types them: 5 may stand for 5.0, and a text for a time. Of names that the schema
// doesn't know the write says so.
func fieldsOf(s *schema.Schema, body map[string]json.RawMessage) (tidal.Fields, error) {
	fields := tidal.Fields{}
	for name, raw := range body {
		f, _ := s.Items.Field(name)
		v, err := f.ReadJSON(raw)
		if err != nil {
			return nil, err
		}
		fields[name] = v
	}
	return fields, nil
}

// event is what a reader did: {"type":"like","article":"…","ref":"…","id":"…"}.
type event struct {
	Type    string `json:"type"`
	Article string `json:"article"`
	// Ref echoes that of the feed's entry, so that the log knows which list led to the event.
	Ref []byte `json:"ref"`
	// ID names the event. A client that sends it again, because it heard no answer, doesn't count twice.
	ID string `json:"id"`
}

func (s *service) postEvent(w http.ResponseWriter, r *http.Request) {
	var e event
	if !read(w, r, &e) {
		return
	}
	receipt, err := s.db.Signal(r.Context(), tidal.Signal{
		Type: e.Type, User: r.PathValue("reader"), Item: e.Article, Ref: e.Ref, Key: e.ID,
	})
	answer(w, struct {
		Position string `json:"position"`
		Again    bool   `json:"again"`
	}{receipt.Position.String(), receipt.Duplicate}, err)
}

// entry is one article of a feed.
type entry struct {
	Article string  `json:"article"`
	Score   float64 `json:"score"`
	Ref     []byte  `json:"ref"`
}

// getFeed answers a page of ten. next, if there is one, goes into ?after= for the page behind it: of the same list, without
// what the reader has hidden since.
func (s *service) getFeed(w http.ResponseWriter, r *http.Request) {
	q := query.Rank("for_you").For(r.PathValue("reader")).Limit(10)
	if after := r.URL.Query().Get("after"); after != "" {
		q.After(after)
	}
	list, err := s.db.Rank(r.Context(), q.Query())
	if err != nil {
		answer(w, nil, err)
		return
	}
	page := struct {
		Articles []entry `json:"articles"`
		Next     string  `json:"next,omitempty"`
	}{Articles: []entry{}, Next: list.Cursor()}
	for i, x := range list.Items {
		page.Articles = append(page.Articles, entry{x.Item, x.Score, list.Ref(i)})
	}
	answer(w, page, nil)
}

// read takes a body of at most 64 KiB apart, and refuses fields that it doesn't know.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// answer writes a result, or says what kind of failure an error is: the caller's, a full queue, or ours.
func answer(w http.ResponseWriter, result any, err error) {
	status := http.StatusOK
	switch {
	case err == nil:
	case errors.Is(err, tidal.ErrInput):
		status = http.StatusBadRequest // its text names the field and says what is wrong
	case errors.Is(err, tidal.ErrKeyReused):
		status = http.StatusConflict
	case errors.Is(err, tidal.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, tidal.ErrOverloaded):
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable // nothing was written
	default:
		status = http.StatusInternalServerError
	}
	if err != nil {
		result = map[string]string{"error": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(result) // a client that is gone is no concern of ours
}
