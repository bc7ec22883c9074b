package tidal_test

import (
	"fmt"
	"testing"

	"github.com/tidaldb/tidal"
)

// BenchmarkSessionWrite is a lone caller that writes requests of 1 and of 64 signals, in a session and, for comparison, in a
// lane.
func BenchmarkSessionWrite(b *testing.B) {
	for _, n := range []int{1, 64} {
		records := make([]tidal.Record, n)
		for i := range records {
			records[i] = tidal.Signal{Type: "view", User: "ada", Item: fmt.Sprint("i", i)}
		}
		b.Run(fmt.Sprintf("session/%d", n), func(b *testing.B) {
			db := open(b, b.TempDir(), testSchema(), nil)
			s, err := db.StartSession(ctx, tidal.SessionStart{User: "ada"})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Write(ctx, 0, records...); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("lane/%d", n), func(b *testing.B) {
			db := open(b, b.TempDir(), testSchema(), nil)
			number := uint64(0)
			for b.Loop() {
				number++
				if _, err := db.Write(ctx, tidal.Request{Lane: "l", Number: number, Records: records}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUserSessions sums up all sessions that a user can have.
func BenchmarkUserSessions(b *testing.B) {
	db := open(b, b.TempDir(), testSchema(), nil)
	for i := range 64 {
		s, err := db.StartSession(ctx, tidal.SessionStart{User: "ada", ID: fmt.Sprint("s", i)})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Signal(ctx, like("", "a")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.UserSessions(ctx, "ada", db.Stats().Newest.AddDate(-1, 0, 0)); err != nil {
			b.Fatal(err)
		}
	}
}
