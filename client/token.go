package client

import (
	"context"
	"net/http"

	"github.com/tidaldb/tidal/internal/id"
	seen "github.com/tidaldb/tidal/internal/token"
)

// token is the newest of what the client has written and, from replicas of a group, read. Answers overtake each other, so which one is the newest is told by
// positions: a receipt's token covers all that comes before it in the log.
type token struct {
	text string
	at   id.Position
}

// Token returns what a read needs to see all that this client has written and got a receipt for, and what a group's replicas
// have shown it; empty before the first.
// The client's own reads send it by themselves; it is for other processes, which hand it to [WithToken].
func (c *Client) Token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token.text
}

// saw keeps a token that came with a write at a position.
func (c *Client) saw(text string, at id.Position) {
	if text == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	other := at.Region != c.token.at.Region || at.Shard != c.token.at.Shard
	if c.token.text == "" || other || at.Compare(c.token.at) >= 0 {
		c.token = token{text, at}
	}
}

// heard takes note of what the headers of an answer say: who leads, and what a read has seen.
func (c *Client) heard(h http.Header) {
	if leader := h.Get("Tidal-Leader"); leader != "" {
		c.peers.lead(leader)
	}
	if text := h.Get("Tidal-Token"); text != "" {
		var newest id.Position
		for origin, seq := range seen.Peek(text).Vector.All {
			if at := origin.At(seq); at.Compare(newest) > 0 {
				newest = at
			}
		}
		c.saw(text, newest)
	}
}

// tokenOf is what a read sends: the context's token if it has one, else the client's.
func (c *Client) tokenOf(ctx context.Context) string {
	if text, ok := ctx.Value(tokenKey).(string); ok {
		return text
	}
	return c.Token()
}
