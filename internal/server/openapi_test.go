package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

func TestTheCopyOfTheDocumentIsTheOneServed(t *testing.T) {
	w := open(t, nil)
	got := w.want(200, "GET", "/openapi.json", "", nil)
	file := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(file, []byte(got.body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != got.body {
		t.Errorf("docs/openapi.json isn't what is served (%v); run go test ./internal/server -update", err)
	}
}

// described is the served document, with its schemas compiled.
type described struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct{ Schema json.RawMessage }
		}
		RequestBody struct {
			Content map[string]struct{ Schema json.RawMessage }
		}
		Parameters []struct {
			Name, In string
			Required bool
		}
		Role string `json:"x-tidal-role"`
	}
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

func (w *world) described() *described {
	w.t.Helper()
	d := &described{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	d.compiler.AssertFormat()
	if err := json.Unmarshal(w.server.openAPI, d); err != nil {
		w.t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.server.openAPI))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := d.compiler.AddResource("urn:openapi", doc); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// check holds an answer against the document.
func (d *described) check(t *testing.T, method, path string, got reply) {
	t.Helper()
	kind := got.header.Get("Content-Type")
	status := map[bool]string{true: "default", false: "200"}[got.status >= 400]
	if got.status == 201 {
		status = "201"
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "+")
	at := "urn:openapi#/paths/" + escape.Replace(path) + "/" + strings.ToLower(method) + "/responses/" + status +
		"/content/" + escape.Replace(kind) + "/schema"
	s := d.schemas[at]
	if s == nil {
		var err error
		if s, err = d.compiler.Compile(at); err != nil {
			t.Errorf("%s %s: %d as %s isn't described: %v", method, path, got.status, kind, err)
			return
		}
		d.schemas[at] = s
	}
	if kind == typeBytes || kind == typeLines && got.body == "" {
		return
	}
	texts := []string{got.body}
	if kind == typeLines {
		texts = strings.Split(strings.TrimSpace(got.body), "\n")
	}
	for _, text := range texts {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err == nil {
			err = s.Validate(v)
		}
		if err != nil {
			t.Errorf("%s %s: %s: %v", method, path, text, err)
		}
	}
}

// TestTheDocumentSaysWhatTheHandlersDo holds that every route is in the document and the reverse, and that what each
// sample is answered with, and each refusal, is as the document says.
func TestTheDocumentSaysWhatTheHandlersDo(t *testing.T) {
	w := open(t, func(o *Options) {
		o.Keys = &keyring{all: []Key{{ID: "k1", Name: "first", Role: Read}}}
		o.Authorize = byName
	})
	w.furnish()
	d := w.doc
	known := map[string]bool{}
	for _, r := range w.server.allRoutes() {
		known[r.method+" "+r.path] = true
		op, ok := d.Paths[r.path][strings.ToLower(r.method)]
		if !ok {
			t.Errorf("%s %s isn't in the document", r.method, r.path)
			continue
		}
		if e := r.endpoint(); e.role != NoRole && op.Role != e.role.String() {
			t.Errorf("%s %s: role %q", r.method, r.path, op.Role)
		}
		s := w.sampleOf(t, r)
		headers := []string{"Content-Type", s.contentType, "Authorization", "Bearer admin"}
		d.check(t, r.method, r.path, w.send(r.method, s.path, s.body, headers...))
		if r.method != "GET" {
			d.check(t, r.method, r.path, w.send(r.method, s.path, "{", headers...))
		}
		d.check(t, r.method, r.path, w.send(r.method, s.path, s.body, "Content-Type", s.contentType, "Authorization", "Bearer x"))
		for i := range op.Parameters {
			if p := &op.Parameters[i]; p.In == "path" && !strings.Contains(r.path, "{"+p.Name+"}") {
				t.Errorf("%s %s: there is no %s in the path", r.method, r.path, p.Name)
			}
		}
		if s.body != "" && s.contentType == typeJSON {
			d.checkBody(t, r, s)
		}
	}
	for path, ops := range d.Paths {
		for method := range ops {
			if !known[strings.ToUpper(method)+" "+path] {
				t.Errorf("nothing answers %s %s", method, path)
			}
		}
	}
	lines := w.send("POST", "/v1/signals?batch=1", views(2)+"{\n", "Content-Type", typeLines, "Authorization", "Bearer write")
	d.check(t, "POST", "/v1/signals", lines)
	all := w.send("GET", "/v1/users/ada/state", "", "Authorization", "Bearer read")
	d.check(t, "GET", "/v1/users/{id}/state", all)
}

// checkBody holds the sample's body against the document.
func (d *described) checkBody(t *testing.T, r *route, s sample) {
	t.Helper()
	at := "urn:openapi#/paths/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(r.path) + "/" + strings.ToLower(r.method) +
		"/requestBody/content/application~1json/schema"
	schema, err := d.compiler.Compile(at)
	if err != nil {
		t.Errorf("%s %s: the body isn't described: %v", r.method, r.path, err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(s.body))
	if err == nil {
		err = schema.Validate(v)
	}
	if err != nil {
		t.Errorf("%s %s: %s: %v", r.method, r.path, s.body, err)
	}
}
