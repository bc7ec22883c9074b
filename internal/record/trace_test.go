package record_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

func TestTraceIDIsTheSameForARetryAndDiffersOtherwise(t *testing.T) {
	here := id.Position{Seq: 7}
	there := id.Position{Region: 1, Seq: 9}
	laned := record.Meta{Lane: record.Lane{Producer: "app", Request: 3}}
	other := record.Meta{Lane: record.Lane{Producer: "app", Request: 4}}
	keyed := record.Meta{Key: "app"}
	given := record.Meta{Trace: [16]byte{1}, Key: "app"}
	var bare record.Meta
	if laned.TraceID(here) != laned.TraceID(there) || keyed.TraceID(here) != keyed.TraceID(there) {
		t.Error("a retry elsewhere has another trace id")
	}
	if given.TraceID(here) != ([16]byte{1}) {
		t.Error("the caller's trace id was not taken")
	}
	seen := map[[16]byte]string{}
	for name, got := range map[string][16]byte{
		"lane": laned.TraceID(here), "next request": other.TraceID(here), "key": keyed.TraceID(here),
		"bare here": bare.TraceID(here), "bare there": bare.TraceID(there), "given": given.TraceID(here),
	} {
		if before, ok := seen[got]; ok {
			t.Errorf("%s and %s share a trace id", name, before)
		}
		seen[got] = name
	}
}
