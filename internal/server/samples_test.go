package server

import (
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// sample is a request that a route takes.
type sample struct {
	path, body  string
	contentType string // empty is JSON
	other       string // another body of the same kind, for requests that mustn't be repeated with another
}

const (
	rankBody = `{"rank":"items","user":"ada","profile":"new","limit":3}`
	rankText = "?q=RANK%20items%20FOR%20USER%20%22ada%22%20USING%20new%20LIMIT%203"
)

// samples has one for every route; a test fails where one is missing.
func samples() map[string]sample {
	out := map[string]sample{
		"POST /v1/users/{id}:erase":               {path: "/v1/users/gone:erase"},
		"GET /v1/users/{id}/state":                {path: "/v1/users/ada/state"},
		"GET /v1/users/{user}/collections":        {path: "/v1/users/ada/collections"},
		"GET /v1/users/{user}/collections/{name}": {path: "/v1/users/ada/collections/later?limit=2"},
		"POST /v1/signals": {
			path: "/v1/signals", body: `{"type":"view","item":"jazz-1","user":"ada"}`,
			other: `{"type":"view","item":"jazz-2","user":"ada"}`,
		},
		"POST /v1/sessions":                         {path: "/v1/sessions", body: `{"user":"ada","id":"s9","agent":"phone","ttl_ms":60000}`},
		"GET /v1/sessions/{user}":                   {path: "/v1/sessions/ada?since=2026-01-01"},
		"GET /v1/sessions/{user}:summary":           {path: "/v1/sessions/ada:summary"},
		"GET /v1/sessions/{user}/{id}":              {path: "/v1/sessions/ada/s1"},
		"POST /v1/sessions/{user}/{id}:close":       {path: "/v1/sessions/ada/s2:close"},
		"POST /v1/sessions/{user}/{id}/signals":     {path: "/v1/sessions/ada/s1/signals", body: `{"type":"view","item":"jazz-1"}`},
		"POST /v1/sessions/{user}/{id}/notes":       {path: "/v1/sessions/ada/s1/notes", body: `{"name":"mood","text":"curious"}`},
		"POST /v1/sessions/{user}/{id}/searches":    {path: "/v1/sessions/ada/s1/searches", body: `{"query":"cool jazz","results":["jazz-1"]}`},
		"POST /v1/signals:undo":                     {path: "/v1/signals:undo", body: `{"lane":"first","number":"1"}`, other: `{"lane":"first","number":2}`},
		"GET /v1/lanes/{lane}":                      {path: "/v1/lanes/first"},
		"GET /v1/items/{item}/signals/{type}":       {path: "/v1/items/jazz-1/signals/view?at=2026-03-01T12:00:00Z"},
		"GET /v1/top/{type}":                        {path: "/v1/top/view?half_life=7d&limit=5&at=2026-03-01"},
		"POST /v1/rank":                             {path: "/v1/rank?with_cursor", body: rankBody},
		"GET /v1/rank":                              {path: "/v1/rank" + rankText},
		"POST /v1/explain":                          {path: "/v1/explain", body: rankBody},
		"GET /v1/explain":                           {path: "/v1/explain" + rankText},
		"GET /v1/suggest":                           {path: "/v1/suggest?field=category&prefix=j&limit=3"},
		"GET /v1/schema":                            {path: "/v1/schema"},
		"POST /v1/schema":                           {path: "/v1/schema", body: recordsYAML, contentType: typeYAML},
		"GET /v1/profiles":                          {path: "/v1/profiles"},
		"GET /v1/stats":                             {path: "/v1/stats"},
		"POST /v1/admin/checkpoint":                 {path: "/v1/admin/checkpoint"},
		"POST /v1/admin/backup":                     {path: "/v1/admin/backup?without_log=true"},
		"GET /v1/admin/digest":                      {path: "/v1/admin/digest"},
		"GET /v1/admin/keys":                        {path: "/v1/admin/keys"},
		"POST /v1/admin/keys":                       {path: "/v1/admin/keys", body: `{"name":"feed","role":"read"}`},
		"DELETE /v1/admin/keys/{id}":                {path: "/v1/admin/keys/k1"},
		"POST /v1/admin/rotate-signing-keys":        {path: "/v1/admin/rotate-signing-keys"},
		"GET /v1/export":                            {path: "/v1/export?from=2026-01-01&types=view,like&with_undone&limit=3"},
		"POST /v1/export":                           {path: "/v1/export?from=2026-01-01&name=nightly"},
		"GET /v1/admin/exports":                     {path: "/v1/admin/exports"},
		"POST /v1/admin/exports/{name}:advance":     {path: "/v1/admin/exports/first:advance?cursor=CURSOR"},
		"DELETE /v1/admin/exports/{name}":           {path: "/v1/admin/exports/second"},
		"GET /v1/cluster":                           {path: "/v1/cluster"},
		"POST /v1/cluster/remove":                   {path: "/v1/cluster/remove", body: `{"number":3}`, other: `{"number":2}`},
		"POST /v1/cluster/transfer":                 {path: "/v1/cluster/transfer", body: `{"to":1}`, other: `{}`},
		"POST /v1/cluster/regions/{region}:promote": {path: "/v1/cluster/regions/eu-west:promote"},
		"POST /v1/cluster/regions/{region}:forget":  {path: "/v1/cluster/regions/ap-south:forget?successor=eu-west"},
		"GET /openapi.json":                         {path: "/openapi.json"},
	}
	for word, one := range map[string]string{"items": "jazz-1", "users": "ada", "creators": "miles"} {
		field := map[string]string{"items": "title", "users": "region", "creators": "name"}[word]
		out["GET /v1/"+word] = sample{path: "/v1/" + word + "?limit=2"}
		out["GET /v1/"+word+"/{id}"] = sample{path: "/v1/" + word + "/" + one}
		out["PUT /v1/"+word+"/{id}"] = sample{path: "/v1/" + word + "/new", body: `{"` + field + `":"a"}`, other: `{"` + field + `":"b"}`}
		out["PATCH /v1/"+word+"/{id}"] = sample{path: "/v1/" + word + "/new", body: `{"` + field + `":"a"}`, other: `{"` + field + `":"b"}`}
		out["DELETE /v1/"+word+"/{id}"] = sample{path: "/v1/" + word + "/gone"}
	}
	for path, full := range map[string]string{
		"/v1/users/{user}/hides/{item}":                    "/v1/users/ada/hides/jazz-2",
		"/v1/users/{user}/mutes/{creator}":                 "/v1/users/ada/mutes/bill",
		"/v1/users/{user}/blocks/{creator}":                "/v1/users/ada/blocks/bill",
		"/v1/users/{user}/follows/{creator}":               "/v1/users/ada/follows/miles",
		"/v1/users/{user}/marks/{mark}/{item}":             "/v1/users/ada/marks/in_progress/jazz-1",
		"/v1/users/{user}/collections/{name}/items/{item}": "/v1/users/ada/collections/later/items/jazz-1",
	} {
		out["PUT "+path], out["DELETE "+path] = sample{path: full}, sample{path: full}
	}
	return out
}

// sampleOf returns a route's sample.
func (w *world) sampleOf(t *testing.T, r *route) sample {
	t.Helper()
	s, ok := samples()[r.method+" "+r.path]
	if !ok {
		t.Fatalf("%s %s has no sample", r.method, r.path)
	}
	s.path = strings.Replace(s.path, "CURSOR", w.cursor, 1)
	if s.contentType == "" {
		s.contentType = typeJSON
	}
	return s
}

// furnish puts what samples speak of into the database.
func (w *world) furnish() {
	w.t.Helper()
	for i, id := range []string{"jazz-1", "jazz-2", "jazz-3", "jazz-4"} {
		w.put(tidal.Item, id, tidal.Fields{
			"title": schema.String("Take " + id), "category": schema.String("jazz"), "creator": schema.String("miles"),
			"plays": schema.Int(int64(i)), "content": schema.Vector([]float32{1, float32(i), 0}),
		})
	}
	w.put(tidal.User, "ada", tidal.Fields{"region": schema.String("US")})
	w.put(tidal.User, "gone", nil)
	w.put(tidal.Creator, "miles", tidal.Fields{"name": schema.String("Miles")})
	w.db.Must(tidal.Collect{User: "ada", Collection: "later", Item: "jazz-1"})
	for n := uint64(1); n <= 2; n++ {
		_, err := w.db.Write(w.t.Context(), tidal.Request{
			Lane: "first", Number: n, Records: []tidal.Record{tidal.Signal{Type: "view", User: "ada", Item: "jazz-3"}},
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	for _, id := range []string{"s1", "s2"} {
		if _, err := w.db.StartSession(w.t.Context(), tidal.SessionStart{User: "ada", ID: id}); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, name := range []string{"first", "second"} {
		for x, err := range w.db.Export(w.t.Context(), tidal.ExportQuery{From: time.Unix(0, 0), Name: name}) {
			if err != nil {
				w.t.Fatal(err)
			}
			w.cursor = x.Cursor
		}
	}
}
