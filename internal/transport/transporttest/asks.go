package transporttest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tidaldb/tidal/internal/transport"
)

// echo answers with the question, and fails if that begins with "fail".
func echo(_ context.Context, from uint64, request []byte) ([]byte, error) {
	if bytes.HasPrefix(request, []byte("fail")) {
		return nil, errors.New("it " + string(request) + "ed")
	}
	return append([]byte{byte(from)}, request...), nil
}

func questions(t *testing.T, w World) {
	w.Join("b", Member{Identity: Who(2), Handler: &inbox{ask: echo}})
	a := w.Join("a", Member{Identity: Who(1), Handler: &inbox{}})
	to := w.Route("a", "b")
	for _, size := range []int{0, 5, 1<<20 - 1} {
		request := bytes.Repeat([]byte("q"), size)
		answer, err := a.Ask(t.Context(), to, request)
		if err != nil || !bytes.Equal(answer, append([]byte{1}, request...)) {
			t.Errorf("a question of %d bytes: %d bytes, %v", size, len(answer), err)
		}
	}
	var failed *transport.AnswerError
	if _, err := a.Ask(t.Context(), to, []byte("fail")); !errors.As(err, &failed) || failed.Text != "it failed" {
		t.Errorf("a failing answer: %v", err)
	}
	if _, err := a.Ask(t.Context(), to, make([]byte, 1<<20+1)); !errors.Is(err, transport.ErrFrame) {
		t.Errorf("a question beyond the limit: %v", err)
	}
	if _, err := a.Ask(t.Context(), to, make([]byte, 1<<20)); !errors.As(err, &failed) {
		t.Errorf("an answer beyond the limit: %v", err) // it has a byte more than the question
	}
	// Somebody without number, cluster and group may ask: that is how one joins.
	newcomer := w.Join("new", Member{Identity: func() transport.Identity { return transport.Identity{} }, Handler: &inbox{}})
	if answer, err := newcomer.Ask(t.Context(), w.Route("new", "b"), []byte("q")); err != nil || string(answer) != "\x00q" {
		t.Errorf("a newcomer's question: %q, %v", answer, err)
	}
}

func questionsEnd(t *testing.T, w World) {
	if w.Stepped() {
		return // an answer there takes no time
	}
	asked, ended := make(chan struct{}, 8), make(chan struct{}, 8)
	b := w.Join("b", Member{Identity: Who(2), Handler: &inbox{ask: func(ctx context.Context, _ uint64, _ []byte) ([]byte, error) {
		asked <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return nil, ctx.Err()
	}}})
	a := w.Join("a", Member{Identity: Who(1), Handler: &inbox{}})
	to := w.Route("a", "b")

	// The asker gives up, and the handler learns it.
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 2)
	var askers sync.WaitGroup
	defer askers.Wait()
	askers.Go(func() { _, err := a.Ask(ctx, to, []byte("q")); failed <- err })
	<-asked
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("a question that was given up: %v", err)
	}
	<-ended

	// The asker closes.
	askers.Go(func() { _, err := a.Ask(t.Context(), to, []byte("q")); failed <- err })
	<-asked
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("a question of a transport that closed had an answer")
	}
	<-ended

	// The answering side closes.
	c := w.Join("c", Member{Identity: Who(3), Handler: &inbox{}})
	askers.Go(func() { _, err := c.Ask(t.Context(), w.Route("c", "b"), []byte("q")); failed <- err })
	<-asked
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("a question to a transport that closed had an answer")
	}
	if _, err := c.Ask(t.Context(), w.Route("c", "b"), []byte("q")); err == nil {
		t.Error("a question to nobody had an answer")
	}
}

func questionsOfStrangers(t *testing.T, w World) {
	w.Join("b", Member{Identity: Who(2), Handler: &inbox{ask: echo}})
	other := w.Join("a", Member{
		Identity: func() transport.Identity { return transport.Identity{Cluster: [16]byte{9}, Replica: 1} }, Handler: &inbox{},
	})
	_, err := other.Ask(t.Context(), w.Route("a", "b"), []byte("q"))
	var why *transport.Refusal
	if !errors.As(err, &why) || why.Reason != transport.ReasonCluster || !why.Remote || !strings.Contains(why.Text, "cluster") {
		t.Errorf("a question from another cluster: %v", err)
	}
}
