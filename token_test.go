package tidal_test

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/query"
)

func TestATokenIsCoveredWhereItWasGivenOut(t *testing.T) {
	db, _ := fresh(t)
	receipt := write(t, db, like("ada", "i1"), like("ada", "i2"))
	answer, err := db.Rank(ctx, &query.Query{Profile: "new"})
	if err != nil {
		t.Fatal(err)
	}
	for what, token := range map[string]string{
		"of the database": db.Token(), "of a receipt": receipt.Token(), "of an answer": answer.Token(), "empty": "",
	} {
		if token == "" && what != "empty" {
			t.Errorf("the token %s is empty", what)
		}
		if err := db.Wait(ctx, token); err != nil {
			t.Errorf("the token %s: %v", what, err)
		}
	}
	if got := (tidal.Receipt{}).Token(); got != "" {
		t.Errorf("nobody's receipt has the token %q", got)
	}
	if err := db.RotateKeys(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.Wait(ctx, receipt.Token()); err != nil {
		t.Errorf("a token of a new key: %v", err)
	}
	if err := db.Wait(ctx, answer.Token()); err != nil {
		t.Errorf("a token of the key before: %v", err)
	}
}

// TestATokenIsWaitedForOnACopyThatLags opens a copy of a directory, which lacks what was written since.
func TestATokenIsWaitedForOnACopyThatLags(t *testing.T) {
	c := newClock()
	dir, copied := t.TempDir(), t.TempDir()
	db, err := tidal.Open(dir, testSchema(), c.options())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, nil, c.options())
	receipt := write(t, db, like("ada", "i1"), like("ada", "i2"))
	last := receipt.Position
	last.Seq++
	lags := open(t, copied, nil, c.options())

	var not *tidal.NotYetError
	waits := make(chan error, 1)
	expired, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	err = lags.Wait(expired, receipt.Token())
	if !errors.As(err, &not) || not.Position != last.String() || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait that takes too long: %v", err)
	}

	go func() { waits <- lags.Wait(ctx, receipt.Token()) }()
	write(t, lags, like("bo", "i1"))
	select {
	case err := <-waits:
		t.Errorf("the wait ended with one of two events missing: %v", err)
	default:
	}
	write(t, lags, like("bo", "i2"))
	if err := <-waits; err != nil {
		t.Errorf("everything has come: %v", err)
	}
	// What the copy lacked was of its own origin, which it leads: nobody could have given it.
	n := lags.Stats().Tokens
	if n.Waited <= 0 || n.Waited > time.Hour {
		t.Errorf("it waited for %v", n.Waited)
	}
	if n.Waited = 0; n != (tidal.TokenStats{Came: 1, NotYet: 1, Ahead: 1}) {
		t.Errorf("counted %+v", n)
	}

	go func() { waits <- lags.Wait(ctx, write(t, db, like("ada", "i3"), like("ada", "i4")).Token()) }()
	if err := lags.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; !errors.Is(err, tidal.ErrClosed) {
		t.Errorf("a wait when the database closes: %v", err)
	}
	reader := open(t, copied, nil, &tidal.Options{Now: c.now, ReadOnly: true})
	if err := reader.Wait(ctx, db.Token()); !errors.As(err, &not) {
		t.Errorf("a reader waits: %v", err)
	}
}

func like(user, item string) tidal.Signal { return tidal.Signal{Type: "like", User: user, Item: item} }

func TestATokenOfAnotherDatabaseIsRefused(t *testing.T) {
	db, _ := fresh(t)
	other, _ := fresh(t)
	own := db.Token()
	swapped := strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return r
	}, own)
	for what, token := range map[string]string{
		"foreign": other.Token(), "cut": own[:len(own)-4], "changed": swapped, "nonsense": "***",
	} {
		var in *tidal.InputError
		if err := db.Wait(ctx, token); !errors.As(err, &in) || in.Field != "token" {
			t.Errorf("a %s token: %v", what, err)
		}
	}
	if err := db.Wait(ctx, own); err != nil {
		t.Fatal(err)
	}
	if n := db.Stats().Tokens; n != (tidal.TokenStats{Here: 1, Refused: 4}) {
		t.Errorf("counted %+v", n)
	}
}

// TestADirectoryOfAnEarlierProgramIsTakenOver makes a directory as programs before format level 2 left it: the keys in a
// file of their own, and the level at 1.
func TestADirectoryOfAnEarlierProgramIsTakenOver(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	first := testSchema()
	first.Version = 1
	if err := first.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := host.Open(ctx, host.Options{Dir: dir, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(ctx, &replica.Request{Records: []record.Proposed{
		{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: 1}},
		{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: first.Encode()}},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	secret := strings.Repeat("5a", 32)
	text := `{"format": 1, "keys": [{"id": 77, "secret": "` + secret + `"}]}`
	if err := os.WriteFile(filepath.Join(dir, "KEYS"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	reader := open(t, dir, nil, &tidal.Options{Now: c.now, ReadOnly: true})
	given := reader.Token()
	db := open(t, dir, nil, c.options())
	if err := db.Wait(ctx, given); err != nil {
		t.Errorf("a token that the key of the file sealed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "KEYS")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r, err = host.Open(ctx, host.Options{Dir: dir, Now: c.now, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	err = r.Read(func(e *engine.Engine) error {
		keys, err := e.SealingKeys()
		if e.Level() != record.Level || len(keys) != 1 || keys[0].ID != 77 || hex.EncodeToString(keys[0].Secret) != secret {
			t.Errorf("level %d, %d keys", e.Level(), len(keys))
		}
		return err
	})
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
}
