package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tidaldb/tidal/internal/tidalpb"
)

// The document at /openapi.json (OpenAPI 3.1) is made of the table of routes and of the messages, so that it can't say
// anything else than the handlers do. A copy lies in docs/openapi.json.

// documentRoutes serve the document.
func documentRoutes() []*route {
	return []*route{{
		method: "GET", path: "/openapi.json", summary: "This document.",
		handle: handle{stream: func(s *Server, in *input) error {
			in.c.send(http.StatusOK, typeJSON, s.openAPI)
			return nil
		}, produces: typeJSON},
	}}
}

type object = map[string]any

// document builds the document.
func (s *Server) document() []byte {
	d := &describer{schemas: object{}}
	d.schemas["Problem"] = d.problem()
	paths := object{}
	for _, r := range s.allRoutes() {
		at, _ := paths[r.path].(object)
		if at == nil {
			at = object{}
			paths[r.path] = at
		}
		at[strings.ToLower(r.method)] = d.operation(r)
	}
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "tidal", "version": "v1",
			"description": "A database for personalised ranking: write what users do, ask what should be shown. Ids are texts; " +
				"one whose bytes aren't UTF-8, or that begins with base64:, is written base64: and its bytes in the alphabet of URLs. " +
				"Every failure is a problem document with a stable code.",
		},
		"paths": paths,
		"components": object{
			"schemas": d.schemas,
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer"},
				"header": object{"type": "apiKey", "in": "header", "name": "X-Api-Key"},
			},
		},
		"security": []any{object{"bearer": []any{}}, object{"header": []any{}}, object{}},
	}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("server: the document can't be written: %v", err)) // it's made of maps and texts
	}
	return append(data, '\n')
}

// describer collects the schemas of messages.
type describer struct{ schemas object }

func (d *describer) operation(r *route) object {
	e := r.endpoint()
	op := object{
		"summary":     r.summary,
		"operationId": operationID(r),
		"responses": object{
			fmt.Sprint(r.status): object{"description": http.StatusText(r.status), "content": d.content(r)},
			"default":            object{"description": "A problem.", "content": object{typeProblem: object{"schema": ref("Problem")}}},
		},
	}
	if e.role == NoRole {
		op["security"] = []any{object{}}
	} else {
		op["x-tidal-role"] = e.role.String()
	}
	if params := d.params(r, e); len(params) > 0 {
		op["parameters"] = params
	}
	if body := d.body(r); body != nil {
		op["requestBody"] = object{"required": true, "content": body}
	}
	return op
}

func operationID(r *route) string {
	words := strings.FieldsFunc(r.path, func(c rune) bool { return strings.ContainsRune("/{}:.-", c) })
	return strings.ToLower(r.method) + "_" + strings.Join(words, "_")
}

func (d *describer) params(r *route, e *endpoint) []any {
	var out []any
	for _, s := range segmentsOf(r.path) {
		if s.name != "" {
			out = append(out, object{
				"name": s.name, "in": "path", "required": true, "schema": object{"type": "string", "minLength": 1},
			})
		}
	}
	for _, p := range r.query {
		out = append(out, object{
			"name": p.name, "in": "query", "required": p.required, "description": p.about, "schema": p.kind.schema(),
		})
	}
	header := func(name, about string) {
		out = append(out, object{"name": name, "in": "header", "description": about, "schema": object{"type": "string"}})
	}
	switch {
	case r.procedure == writeProcedure:
		header(headerKey, "makes the request count once within 24 hours, however often it is sent")
		header(headerAck, "geo answers once another region has the write, too; quorum, or nothing, does so before")
	case e.role == Read:
		header(headerToken, "what must be visible first: the token of a receipt or of a list")
	}
	return out
}

func (k paramKind) schema() object {
	switch k {
	case paramInt:
		return object{"type": "integer"}
	case paramBool:
		return object{"type": "boolean"}
	case paramList:
		return object{"type": "array", "items": object{"type": "string"}}
	}
	return object{"type": "string"}
}

// content describes what a route answers with.
func (d *describer) content(r *route) object {
	switch {
	case r.stream != nil && r.produces == typeBytes:
		return object{typeBytes: object{"schema": object{"type": "string", "format": "binary"}}}
	case r.stream != nil && r.produces == typeLines:
		return object{typeLines: object{"schema": exportedLine()}}
	case r.stream != nil:
		return object{typeJSON: object{"schema": object{"type": "object"}}}
	}
	m := r.response
	if f := onlyMessage(m); f != nil {
		m = f.Message()
	}
	out := object{typeJSON: object{"schema": d.top(m)}}
	if r.lines != nil {
		out[typeLines] = object{"schema": d.top((&tidalpb.LinesWritten{}).ProtoReflect().Descriptor())}
	}
	return out
}

// exportedLine describes a line of an export, which isn't a message but what tidal export prints.
func exportedLine() object {
	text, number, when := object{"type": "string"}, object{"type": "number"}, object{"type": "string", "format": "date-time"}
	return object{
		"type": "object", "required": []any{"kind", "position", "time", "cursor"},
		"description": "As docs/exports.md has it. A text that isn't UTF-8 stands in base64 under its name with _base64 behind it.",
		"properties": object{
			"kind": text, "position": text, "time": when, "type": text, "user": text, "item": text, "creator": text,
			"weight": number, "cohorts": object{"type": "array", "items": text}, "key": text, "session": text, "lane": text,
			"seq": object{"type": "integer"}, "trace": text, "feed": text, "place": object{"type": "integer"}, "slot": text,
			"propensity": number, "profile": text, "profile_version": object{"type": "integer"}, "list_time": when,
			"ref": text, "ref_unverified": object{"type": "boolean"}, "undone": object{"type": "boolean"}, "cursor": text,
		},
	}
}

// body describes what a route reads.
func (d *describer) body(r *route) object {
	switch r.body {
	case bodyMessage:
		return object{typeJSON: object{"schema": d.input(r.message)}}
	case bodyFields:
		return object{typeJSON: object{"schema": object{
			"type": "object", "description": "Fields and embeddings by name, with values of the types that the schema gives them.",
		}}}
	case bodyQuery:
		return object{typeJSON: object{"schema": object{
			"type": "object", "required": []any{"rank"}, "description": "A query in its JSON form, as docs/query.md has it.",
			"properties": object{"rank": object{"const": "items"}},
		}}}
	case bodySchema:
		return object{
			typeYAML: object{"schema": object{"type": "string"}},
			typeJSON: object{"schema": object{"type": "object"}},
		}
	case bodySignals:
		signal := d.input((&tidalpb.Signal{}).ProtoReflect().Descriptor())
		batch := d.input((&tidalpb.SignalBatch{}).ProtoReflect().Descriptor())
		return object{
			typeJSON:  object{"schema": object{"oneOf": []any{signal, batch}}},
			typeLines: object{"schema": signal},
		}
	}
	return nil
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// top describes a message that is an answer: the same as elsewhere, and more of it is always there.
func (d *describer) top(m protoreflect.MessageDescriptor) object {
	var more []any
	for i := range m.Fields().Len() {
		if f := m.Fields().Get(i); always(f, true) && !always(f, false) {
			more = append(more, string(f.Name()))
		}
	}
	if len(more) == 0 {
		return d.output(m)
	}
	return object{"allOf": []any{d.output(m), object{"required": more}}}
}

// output describes a message as appendMessage writes it.
func (d *describer) output(m protoreflect.MessageDescriptor) object {
	if special := specialMessage(m); special != nil {
		return special
	}
	name := string(m.Name())
	if _, known := d.schemas[name]; !known {
		d.schemas[name] = nil // for messages that hold themselves
		properties, required := object{}, []any{}
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			properties[string(f.Name())] = d.field(f, d.output, false)
			if always(f, false) {
				required = append(required, string(f.Name()))
			}
		}
		s := object{"type": "object", "properties": properties, "additionalProperties": false}
		if len(required) > 0 {
			s["required"] = required
		}
		d.schemas[name] = s
	}
	return ref(name)
}

// input describes a message as readMessage reads it.
func (d *describer) input(m protoreflect.MessageDescriptor) object {
	if special := specialMessage(m); special != nil {
		return special
	}
	name := string(m.Name()) + "Input"
	if _, known := d.schemas[name]; !known {
		d.schemas[name] = nil
		properties := object{}
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			properties[string(f.Name())] = d.field(f, d.input, true)
		}
		d.schemas[name] = object{"type": "object", "properties": properties, "additionalProperties": false}
	}
	return ref(name)
}

// specialMessage describes messages that aren't objects in JSON.
func specialMessage(m protoreflect.MessageDescriptor) object {
	switch m.FullName() {
	case "google.protobuf.Timestamp":
		return object{"type": "string", "format": "date-time"}
	case "tidal.v1.Value":
		return object{"description": "The value of a field: a text, a number, a truth value, a time as {\"time\": …}, a place as " +
			"{\"lat\": …, \"lon\": …}, or a list of texts or numbers."}
	}
	return nil
}

func (d *describer) field(f protoreflect.FieldDescriptor, message func(protoreflect.MessageDescriptor) object, in bool) object {
	switch {
	case f.IsMap():
		return object{"type": "object", "additionalProperties": d.single(f.MapValue(), message, in)}
	case f.IsList():
		return object{"type": "array", "items": d.single(f, message, in)}
	}
	return d.single(f, message, in)
}

func (d *describer) single(f protoreflect.FieldDescriptor, message func(protoreflect.MessageDescriptor) object, in bool) object {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.Int32Kind, protoreflect.Uint32Kind, protoreflect.Sint32Kind:
		return object{"type": "integer", "format": "int32"}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind:
		if in {
			return object{"type": []any{"integer", "string"}, "format": "int64"}
		}
		return object{"type": "integer", "format": "int64"}
	case protoreflect.Uint64Kind:
		return object{"type": "string", "pattern": "^[0-9]+$"}
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if in {
			return object{"type": "number"}
		}
		return object{"type": []any{"number", "null"}}
	case protoreflect.BytesKind:
		return object{"type": "string", "contentEncoding": "base64"}
	case protoreflect.EnumKind:
		var words []any
		for i := range f.Enum().Values().Len() {
			v := f.Enum().Values().Get(i)
			if in {
				words = append(words, string(v.Name()))
			} else {
				words = append(words, enumWord(f.Enum(), v.Number()))
			}
		}
		return object{"type": "string", "enum": words}
	case protoreflect.MessageKind:
		return message(f.Message())
	}
	return object{"type": "string"}
}

// problem describes a problem document.
func (d *describer) problem() object {
	m := (&tidalpb.Problem{}).ProtoReflect().Descriptor()
	properties := object{}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		properties[string(f.Name())] = d.field(f, d.output, false)
	}
	return object{
		"type": "object", "properties": properties, "additionalProperties": false,
		"required": []any{"type", "title", "status", "code", "request_id", "retry_after_ms"},
	}
}
