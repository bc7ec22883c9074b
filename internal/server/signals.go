package server

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/tidaldb/tidal/internal/tidalpb"
)

// signalsHandle is the handle of POST /v1/signals: one signal, a batch, or lines.
func signalsHandle(x *service) handle {
	h := unary(func(in *input) (*tidalpb.WriteRequest, error) {
		data, err := in.read(typeJSON)
		if err != nil {
			return nil, err
		}
		return readSignals(data)
	}, x.Write)
	run := h.run
	h.run = func(s *Server, in *input) (proto.Message, error) {
		for _, p := range in.route.query {
			if in.c.r.Form.Has(p.name) {
				return nil, malformed("the parameter %s is for lines of JSON (Content-Type %s)", p.name, typeLines)
			}
		}
		return run(s, in)
	}
	h.lines = (*Server).signalLines
	return h
}

// isLines reports whether the body is lines of JSON.
func isLines(r *http.Request) bool {
	name, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (name == typeLines || name == "application/jsonl" || name == "application/jsonlines")
}

// readSignals reads one signal, or a SignalBatch.
func readSignals(data []byte) (*tidalpb.WriteRequest, error) {
	if !isBatch(data) {
		m := &tidalpb.Signal{}
		if err := readMessage(data, m); err != nil {
			return nil, err
		}
		return &tidalpb.WriteRequest{Records: signalRecords(m)}, nil
	}
	m := &tidalpb.SignalBatch{}
	if err := readMessage(data, m); err != nil {
		return nil, err
	}
	return &tidalpb.WriteRequest{
		Records: signalRecords(m.GetSignals()...), Lane: m.GetLane(), Number: m.GetNumber(), Key: m.GetKey(),
		Ack: m.GetAck(),
	}, nil
}

func signalRecords(signals ...*tidalpb.Signal) []*tidalpb.Record {
	out := make([]*tidalpb.Record, len(signals))
	for i, s := range signals {
		out[i] = &tidalpb.Record{Record: &tidalpb.Record_Signal{Signal: s}}
	}
	return out
}

// isBatch looks for the first key that tells a batch from a signal. What can't be read is refused by who reads it all.
func isBatch(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return false
		}
		switch t {
		case "signals", "lane", "number", "ack":
			return true
		case "key": // both have one
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return false
			}
		default:
			return false
		}
	}
	return false
}

// fields reads an entity's fields: the body as it is, once it is known to be an object.
func (in *input) fields() (string, error) {
	data, err := in.read(typeJSON)
	if err != nil {
		return "", err
	}
	if len(data) == 0 {
		return "", malformed("the body is empty; a JSON object of fields is expected, such as {}")
	}
	return string(data), nil
}
