package record

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fixed"
)

// pageBatch is the batch that docs/format/batch.md takes apart.
func pageBatch(t testing.TB) []byte {
	return build(t, sampleHead(), func(b *Builder) {
		signal := Proposed{Kind: KindSignal, Signal: sampleSignal()}
		follow := Proposed{
			Kind:     KindRelation,
			Relation: Relation{Which: FollowCreator, On: true, User: "user-7", Target: "studio"},
		}
		for i, p := range []Proposed{signal, follow} {
			m := sampleMeta(i)
			m.Lane = Lane{Producer: "phone-17", Request: 42, Index: uint32(i)}
			if i == 0 {
				m.Content, m.Count = 0x1122334455667788, 2
			}
			if err := b.AddProposed(&m, &p); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// block returns the lines of the fenced block with this info string.
func block(t *testing.T, page, info string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n```"+info+"\n")
	text, _, closed := strings.Cut(rest, "\n```\n")
	if !ok || !closed {
		t.Fatalf("the page has no block %q", info)
	}
	return text
}

func TestThePageTellsTheFormatAsItIs(t *testing.T) {
	raw, err := os.ReadFile("../../docs/format/batch.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)

	t.Run("worked example", func(t *testing.T) {
		var data []byte
		line := regexp.MustCompile(`^([0-9]+) +((?:[0-9a-f]{2} ?)+) +\S`)
		for text := range strings.SplitSeq(block(t, page, "hex"), "\n") {
			m := line.FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("not a line of the example: %q", text)
			}
			if m[1] != fmt.Sprint(len(data)) {
				t.Fatalf("offset %s, is %d: %q", m[1], len(data), text)
			}
			data = append(data, unhex(t, m[2])...)
		}
		if want := pageBatch(t); !bytes.Equal(data, want) {
			t.Fatalf("the example is\n%x\nwritten today:\n%x", data, want)
		}
		var dump strings.Builder
		if err := Dump(&dump, data); err != nil {
			t.Fatal(err)
		}
		if got, want := block(t, page, "dump")+"\n", dump.String(); got != want {
			t.Fatalf("the dump is\n%s\nprinted today:\n%s", got, want)
		}
	})

	t.Run("kinds", func(t *testing.T) {
		for k := range 256 {
			kind := Kind(k)
			row := fmt.Sprintf("| %d | `%v` | %d |", k, kind, kind.Level())
			if kind.Known() && !strings.Contains(page, row) {
				t.Errorf("no row %q", row)
			}
		}
	})

	t.Run("limits", func(t *testing.T) {
		for what, limit := range map[string]int64{
			"batch, header included": MaxBatch,
			"records in a batch":     MaxRecords,
			"record body":            MaxBody,
			"id":                     512,
			"producer":               MaxProducer,
			"key":                    MaxKey,
			"cohorts of a signal":    MaxCohorts,
			"cohort":                 MaxCohort,
			"collection":             MaxCollection,
			"feed reference":         MaxRef,
			"fields of an entity":    MaxFields,
			"field name":             MaxFieldName,
			"field value":            MaxValue,
			"schema":                 MaxSchema,
			"annotation":             MaxNote,
			"annotation name":        MaxNoteName,
			"session":                MaxSession,
			"agent of a session":     MaxAgent,
			"policy of a session":    MaxPolicy,
			"items of a search":      MaxResults,
			"query of a search":      MaxNote,
			"name of a region":       MaxRegionName,
			"members of a region":    MaxEndpoints,
			"address of a member":    MaxEndpoint,

			"parts of a session's vector": MaxTaste,

			"weight":     int64(fixed.MaxWeight),
			"event time": MaxTime,
		} {
			row := fmt.Sprintf("| %s | %s |", what, grouped(limit))
			if !strings.Contains(page, row) {
				t.Errorf("no row %q", row)
			}
		}
	})
}

// grouped prints a number with commas.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
