package store_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// TestCompactionChangesNothing compacts all of a store, and stretches of it, between commits.
func TestCompactionChangesNothing(t *testing.T) {
	for _, seed := range seeds(t, 4) {
		forms(t, func(t *testing.T, d disk) {
			rng := rand.New(rand.NewPCG(seed, 9))
			s := d.mustOpen(t)
			for range 6 {
				commitAll(t, s, nil, events(rng, 60), 20)
				before := contents(t, s)
				from, to := string(rune('a'+rng.IntN(26))), string(rune('a'+rng.IntN(26)))
				kind := id.Kind(rng.IntN(id.Kinds + 1))
				if err := s.CompactOwners(kind, min(from, to), max(from, to)); err != nil {
					t.Fatal(err)
				}
				if err := s.Compact(); err != nil {
					t.Fatal(err)
				}
				if after := contents(t, s); !slices.Equal(before, after) {
					t.Fatalf("compaction changed\n%q\nto\n%q\n%s", before, after, replay(t, seed))
				}
			}
		})
	}
}

func TestCompactionOfWhatCannotBeIsRefused(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		if err := s.CompactOwners(id.Kinds+1, "a", "b"); !errors.Is(err, fault.ErrInput) {
			t.Errorf("owners of a kind that isn't: %v, want %v", err, fault.ErrInput)
		}
		if err := s.CompactOwners(id.KindItem, "b", "a"); !errors.Is(err, fault.ErrInput) {
			t.Errorf("owners from b to a: %v, want %v", err, fault.ErrInput)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Compact(); !errors.Is(err, fault.ErrClosed) {
			t.Errorf("a closed store: %v, want %v", err, fault.ErrClosed)
		}
	})
}
