package server

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"connectrpc.com/connect"
)

// maxNesting bounds how deeply messages in JSON are nested, which no message of ours needs.
const maxNesting = 100

// strictJSON is Connect's codec for JSON that refuses fields that don't exist.
type strictJSON struct{}

var _ connect.Codec = strictJSON{}

func (strictJSON) Name() string { return "json" }

func (strictJSON) Marshal(m any) ([]byte, error) {
	return protojson.Marshal(m.(proto.Message))
}

func (strictJSON) Unmarshal(data []byte, m any) error {
	return readMessage(data, m.(proto.Message))
}

// readMessage reads a message in JSON.
func readMessage(data []byte, m proto.Message) error {
	if len(data) == 0 {
		return malformed("the body is empty; a JSON object is expected")
	}
	if err := (protojson.UnmarshalOptions{RecursionLimit: maxNesting}).Unmarshal(data, m); err != nil {
		return jsonError(err)
	}
	return nil
}
