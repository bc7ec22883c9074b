package rows

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidaldb/tidal"
)

// ndjson reads one JSON object a line, with the keys of eventColumns. It is strict: an unknown key, a key that
// appears twice, and a value of the wrong kind make a row that can't be used.
type ndjson struct{ lines }

func openNDJSON(file string, r *bufio.Reader) Source {
	return &ndjson{lines{r: r, Place: Place{File: file}}}
}

func (n *ndjson) Next() (Row, error) {
	line, err := n.nextFilled()
	if err != nil {
		return Row{}, err
	}
	s, err := parseEvent(line)
	if err != nil {
		return Row{}, n.badField(err)
	}
	return Row{n.Place, []tidal.Record{s}}, nil
}

// parseEvent reads one object, key by key, because encoding/json alone takes the last of two equal keys and doesn't
// mind upper case.
func parseEvent(line []byte) (tidal.Signal, error) {
	var s tidal.Signal
	if !utf8.Valid(line) {
		return s, badField(causeJSON, "not UTF-8") // the decoder would put other letters into ids
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return s, badField(causeJSON, "not a JSON object")
	}
	var seen []string
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return s, badField(causeJSON, "%v", err)
		}
		key, _ := t.(string) // the decoder has made sure that keys are strings
		switch {
		case !slices.Contains(eventColumns, key):
			return s, badField(causeJSON, "unknown key %q; keys are %s", key, strings.Join(eventColumns, ", "))
		case slices.Contains(seen, key):
			return s, badField(causeJSON, "key %q appears twice", key)
		}
		seen = append(seen, key)
		var value any
		if err := dec.Decode(&value); err != nil {
			return s, badField(causeJSON, "%s: %v", key, err)
		}
		if err := setJSON(&s, key, value); err != nil {
			return s, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return s, badField(causeJSON, "the object isn't closed")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return s, badField(causeJSON, "text behind the object")
	}
	return s, nil
}

// setJSON sets one key from its value; null is as if the key were absent.
func setJSON(s *tidal.Signal, key string, value any) error {
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		if key != "weight" && key != "time_ms" && key != "cohorts" {
			return setField(s, key, v)
		}
	case json.Number:
		switch key {
		case "weight":
			return setField(s, key, v.String())
		case "time":
			if strings.ContainsAny(v.String(), "eE") {
				return badField(causeTime, "time %s is not a plain number of seconds", v)
			}
			return setField(s, key, v.String())
		case "time_ms":
			return setField(s, key, v.String())
		}
	case []any:
		if key != "cohorts" {
			break
		}
		for _, c := range v {
			name, ok := c.(string)
			if !ok {
				return badField(causeJSON, "cohorts: want a list of strings")
			}
			s.Cohorts = append(s.Cohorts, name)
		}
		return nil
	}
	return badField(causeJSON, "%s: want %s", key, jsonWants(key))
}

func jsonWants(key string) string {
	switch key {
	case "weight":
		return "a number"
	case "time":
		return "a string (RFC 3339) or a number (Unix seconds)"
	case "time_ms":
		return "a whole number"
	case "cohorts":
		return "a list of strings"
	default:
		return "a string"
	}
}
