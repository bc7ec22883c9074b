package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/schema"
)

// forExamples serves a new database for as long as f takes.
func forExamples(f func(c *client.Client) error) {
	dir, err := os.MkdirTemp("", "tidal-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	h := &http.Server{Handler: server.New(server.Options{DB: db}), ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		_ = h.Serve(l)
		close(ended)
	}()
	defer func() {
		_ = h.Close()
		<-ended
	}()
	c, err := client.New(client.Options{Addr: l.Addr().String()})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := f(c); err != nil {
		log.Fatal(err)
	}
}

func Example() {
	forExamples(func(c *client.Client) error { return firstList(context.Background(), c) })
	// Output:
	// jazz-101
	// jazz-102
}

func firstList(ctx context.Context, c *client.Client) error {
	_, err := c.Do(ctx,
		client.Put{Kind: client.Item, ID: "jazz-101", Fields: client.Fields{"category": "jazz", "creator": "ella"}},
		client.Put{Kind: client.Item, ID: "jazz-102", Fields: client.Fields{"category": "jazz", "tags": []string{"live"}}},
		client.Put{Kind: client.Item, ID: "polka-1", Fields: client.Fields{"category": "polka"}},
	)
	if err != nil {
		return err
	}
	if _, err := c.Signal(ctx, client.Signal{Type: "like", User: "bo", Item: "jazz-101"}); err != nil {
		return err
	}
	if _, err := c.Signal(ctx, client.Signal{Type: "hide", User: "ada", Item: "polka-1"}); err != nil {
		return err
	}
	list, err := c.Rank(ctx, client.Query{User: "ada", Profile: "most", Signal: "like", Limit: 10})
	if err != nil {
		return err
	}
	for _, it := range list.Items {
		fmt.Println(it.Item)
	}
	return nil
}

func ExampleClient_Stream() {
	forExamples(func(c *client.Client) error { return manySignals(context.Background(), c) })
	// Output: 1000 signals are written
}

func manySignals(ctx context.Context, c *client.Client) error {
	written := 0
	stream, err := c.Stream(ctx, client.StreamOptions{InFlight: 4, Done: func(b client.Batch) {
		if b.Err == nil {
			written += len(b.Signals) // durable and visible
		}
	}})
	if err != nil {
		return err
	}
	for n := range 1000 {
		// It waits here if the server can't keep up.
		if _, err := stream.Send(ctx, client.Signal{Type: "view", User: "ada", Item: fmt.Sprint("item-", n)}); err != nil {
			break // Close says why
		}
	}
	if err := stream.Close(); err != nil {
		return err
	}
	fmt.Println(written, "signals are written")
	return nil
}

func ExampleError() {
	forExamples(func(c *client.Client) error { return whatWentWrong(context.Background(), c) })
	// Output: record 0, field weight: is -1; weights lie above 0 (a negative meaning is the signal type's)
}

func whatWentWrong(ctx context.Context, c *client.Client) error {
	_, err := c.Signal(ctx, client.Signal{Type: "like", User: "ada", Item: "jazz-101", Weight: -1})
	var refused *client.InputError
	switch {
	case err == nil:
	case errors.As(err, &refused): // nothing was written, and sending it again won't help
		fmt.Printf("record %d, field %s: %s\n", refused.Record, refused.Field, refused.Reason)
	case errors.Is(err, client.ErrUnknown): // it may have been written; nobody sends it again
	default: // nothing was written
		return err
	}
	return nil
}

func ExampleClient_Write() {
	forExamples(func(c *client.Client) error { return keptNumbers(context.Background(), c) })
	// Output: false true
}

func keptNumbers(ctx context.Context, c *client.Client) error {
	order := client.Request{Number: 1, Records: []client.Record{
		client.Signal{Type: "purchase", User: "ada", Item: "jazz-101"},
	}}
	first, err := c.Write(ctx, order)
	if err != nil {
		return err
	}
	again, err := c.Write(ctx, order) // by this process or by the one that comes behind it
	if err != nil {
		return err
	}
	fmt.Println(first.Duplicate, again.Duplicate)
	return nil
}

func ExampleClient_StartSession() {
	forExamples(func(c *client.Client) error { return anEvening(context.Background(), c) })
	// Output: 2 signals, 1 search
}

func anEvening(ctx context.Context, c *client.Client) error {
	session, err := c.StartSession(ctx, client.SessionStart{User: "ada", Agent: "assistant", TTL: time.Hour})
	if err != nil {
		return err
	}
	_, err = session.Write(ctx,
		client.Search{Query: "late jazz", Results: []string{"jazz-101", "jazz-102"}},
		client.Signal{Type: "view", Item: "jazz-101"},
		client.Signal{Type: "like", Item: "jazz-101"},
	)
	if err != nil {
		return err
	}
	if _, err := session.Rank(ctx, client.Query{Profile: "for_you"}); err != nil { // knows of the like
		return err
	}
	end, err := session.Close(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d signals, %d search\n", end.Signals, end.Searches)
	return nil
}

// indentless is how lines of a function's body stand in a document.
func indentless(body string) string {
	var b strings.Builder
	for line := range strings.Lines(body) {
		b.WriteString(strings.TrimPrefix(line, "\t"))
	}
	return b.String()
}
