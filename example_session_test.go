package tidal_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// An assistant acts for Ada, under a policy that lets it view and like, and no more than that.
func ExampleDB_StartSession() {
	dir, err := os.MkdirTemp("", "tidal")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s := schema.Events()
	s.SessionPolicies = []schema.SessionPolicy{
		{Name: "assistant", Types: []string{"view", "like"}, MaxDuration: time.Hour, Rate: 5},
	}
	db, err := tidal.Open(dir, s, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	ctx := context.Background()
	session, err := db.StartSession(ctx, tidal.SessionStart{
		ID: "evening", User: "ada", Agent: "assistant-3", Policy: "assistant",
	})
	if err != nil {
		log.Fatal(err)
	}
	// Number 1, and the same again because no answer was heard: it counts once.
	for range 2 {
		receipt, err := session.Write(ctx, 1, tidal.Signal{Type: "like", Item: "jazz-101"})
		fmt.Println(receipt.Number, receipt.Duplicate, err)
	}
	if _, err := session.Searched(ctx, "something calm", "jazz-101", "jazz-7"); err != nil {
		log.Fatal(err)
	}
	_, err = session.Signal(ctx, tidal.Signal{Type: "purchase", Item: "jazz-101"})
	var refused *tidal.InputError
	fmt.Println(errors.As(err, &refused), err)

	summary, err := session.Close(ctx)
	fmt.Println(summary.Signals, summary.Searches, summary.Rejections, summary.AutoClosed, err)
	_, err = session.Signal(ctx, tidal.Signal{Type: "view", Item: "jazz-7"})
	fmt.Println(errors.Is(err, tidal.ErrSessionClosed))
	// Output:
	// 1 false <nil>
	// 1 true <nil>
	// true refused: record 0: type: "purchase" isn't allowed by the policy "assistant"
	// 1 1 1 false <nil>
	// true
}
