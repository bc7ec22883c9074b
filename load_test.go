package tidal_test

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// puts yields n puts with bodies of some size, and then an error if there is one.
func puts(n, size int, last error) iter.Seq2[tidal.Record, error] {
	return func(yield func(tidal.Record, error) bool) {
		for i := range n {
			fields := tidal.Fields{"body": schema.String(strings.Repeat("x", size)), "price": schema.Float(float64(i))}
			if !yield(tidal.Patch{Kind: tidal.Item, ID: fmt.Sprint("item-", i), Fields: fields}, nil) {
				return
			}
		}
		if last != nil {
			yield(nil, last)
		}
	}
}

func TestALoadIsCutIntoRequestsAndGoesOnWhereItEnded(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	db := open(t, dir, testSchema(), c.options())
	broken := errors.New("the source broke off")
	written, already, err := db.Load(ctx, "catalogue", puts(1500, 10, broken))
	if !errors.Is(err, broken) || written != 1024 || already != 0 {
		t.Fatalf("first part: %d and %d, %v", written, already, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, nil, c.options())
	written, already, err = db.Load(ctx, "catalogue", puts(2000, 10, nil))
	if err != nil || written != 976 || already != 1024 {
		t.Fatalf("second part: %d and %d, %v", written, already, err)
	}
	digest := db.Digest()
	written, already, err = db.Load(ctx, "catalogue", puts(2000, 10, nil))
	if err != nil || written != 0 || already != 2000 {
		t.Errorf("again: %d and %d, %v", written, already, err)
	}
	if _, _, err = db.Load(ctx, "catalogue", puts(2000, 11, nil)); !errors.Is(err, tidal.ErrKeyReused) {
		t.Errorf("other records: %v", err)
	}
	if _, _, err = db.Load(ctx, "catalogue", puts(600, 10, nil)); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("fewer records: %v", err)
	}
	if db.Digest() != digest || len(listAll(t, db, tidal.Item, 1000)) != 2000 {
		t.Error("a repeated or refused load changed something")
	}
	// A day later the contents are forgotten, and the numbers still are not.
	c.ms.Add(25 * time.Hour.Milliseconds())
	write(t, db, tidal.Put{Kind: tidal.User, ID: "u"})
	written, already, err = db.Load(ctx, "catalogue", puts(2000, 10, nil))
	if err != nil || written != 0 || already != 2000 {
		t.Errorf("a day later: %d and %d, %v", written, already, err)
	}
}

func TestALoadOfLargeRecordsFitsItsRequests(t *testing.T) {
	db, _ := fresh(t)
	if written, _, err := db.Load(ctx, "large", puts(60, 60_000, nil)); err != nil || written != 60 {
		t.Fatalf("%d, %v", written, err)
	}
	long := strings.Repeat("x", 500)
	widest := func(yield func(tidal.Record, error) bool) {
		for i := range 1500 {
			id := fmt.Sprint(i, long)
			if !yield(tidal.Signal{
				Type: "view", Item: id, User: id, Creator: id, Ref: []byte(long[:256]), Cohorts: []string{"a", long[:64]},
			}, nil) {
				return
			}
		}
	}
	if written, _, err := db.Load(ctx, "wide", widest); err != nil || written != 1500 {
		t.Fatalf("%d, %v", written, err)
	}
}

func TestALoadNamesTheRecordThatIsRefused(t *testing.T) {
	db, _ := fresh(t)
	source := func(bad int) iter.Seq2[tidal.Record, error] {
		return func(yield func(tidal.Record, error) bool) {
			for i := range 1000 {
				p := tidal.Put{Kind: tidal.Item, ID: fmt.Sprint(i)}
				if i == bad {
					p.ID = ""
				}
				if !yield(p, nil) {
					return
				}
			}
		}
	}
	written, _, err := db.Load(ctx, "l", source(700))
	var in *tidal.InputError
	if !errors.As(err, &in) || in.Record != 700 || in.Field != "id" || written != 512 {
		t.Fatalf("%d, %v", written, err)
	}
	if written, already, err := db.Load(ctx, "l", source(-1)); err != nil || written != 488 || already != 512 {
		t.Errorf("corrected: %d and %d, %v", written, already, err)
	}
}
