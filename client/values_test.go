package client

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIdsReadBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := string(rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte {
			return []byte(rawID + s)
		})).Draw(t, "id"))
		if got := idOf(idText(id)); got != id {
			t.Errorf("%q comes back as %q", id, got)
		}
	})
}

func TestValuesReadBackAsTheyWere(t *testing.T) {
	f := Fields{
		"text": "x", "int": int64(-5), "float": 2.5, "bool": true, "time": time.UnixMilli(1234567).UTC(),
		"geo": Geo{1.5, -2}, "tags": []string{"a", "b"}, "embedding": []float32{1, 2}, "none": nil,
	}
	m, err := fieldMessages(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := fieldsOf(m); !reflect.DeepEqual(got, f) {
		t.Errorf("%v came back as %v", f, got)
	}
	if _, err := fieldMessages(Fields{"bad": struct{}{}}); err == nil || err.Error() != "refused: fields.bad: is a struct {}, which no field can hold" {
		t.Errorf("%v", err)
	}
}
