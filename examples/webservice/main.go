// Command webservice is an application that keeps its database inside: a feed of articles, in two files. It is the sample of
// docs/embedding.md.
//
//	go run ./examples/webservice -dir /tmp/articles -listen 127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

func main() {
	dir := flag.String("dir", "articles", "directory of the database")
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *dir, *listen, func(at net.Addr) { fmt.Println("listening at", at) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends: then requests under way are finished, and the database is closed behind them.
func run(ctx context.Context, dir, listen string, ready func(net.Addr)) (err error) {
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: (&service{db: db, patience: 2 * time.Second}).handler(), ReadHeaderTimeout: 5 * time.Second,
	}
	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		patient, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		drained <- server.Shutdown(patient)
	})
	ready(l.Addr())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	return <-drained // Serve returns when Shutdown begins
}
