package client

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/id"
	seen "github.com/tidaldb/tidal/internal/token"
)

// tokens are what somebody has written and read. A token can't be changed, so where one region's doesn't say what another one's
// does both are kept, and sent with commas between them. Answers overtake each other, so which one is the newest is told by
// what they name.
type tokens struct{ all []token }

// token names what it was given with, and all that comes before that in the logs.
type token struct {
	text string
	has  id.VersionVector
}

// maxTokens is how many are kept: more than a database has regions, and what a server takes.
const maxTokens = 16

// add keeps a token that came with a position, which is what it names if it doesn't say so itself. Those that say no more go.
func (t *tokens) add(text string, at id.Position) {
	if text == "" {
		return
	}
	x := token{text, seen.Peek(text).Vector}
	if x.has.Len() == 0 {
		x.has = x.has.With(at.Origin(), at.Seq)
	}
	for i := range t.all {
		if !x.includes(&t.all[i]) && t.all[i].includes(&x) {
			return
		}
	}
	t.all = slices.DeleteFunc(t.all, func(y token) bool { return x.includes(&y) })
	if len(t.all) == maxTokens {
		t.all = t.all[1:]
	}
	t.all = append(t.all, x)
}

// includes reports whether what a token names is behind all that another one does. A newer incarnation of a region is behind
// all of an older one.
func (x *token) includes(y *token) bool {
	for origin, seq := range y.has.All {
		at, behind := origin.At(seq), false
		for own, most := range x.has.All {
			behind = behind || own.Region == origin.Region && own.Shard == origin.Shard && own.At(most).Compare(at) >= 0
		}
		if !behind {
			return false
		}
	}
	return true
}

func (t *tokens) text() string {
	switch len(t.all) {
	case 0:
		return ""
	case 1:
		return t.all[0].text
	}
	texts := make([]string, len(t.all))
	for i := range t.all {
		texts[i] = t.all[i].text
	}
	return strings.Join(texts, ",")
}

// Token returns what a read needs to see all that this client has written and got a receipt for, and what a group's replicas
// have shown it; empty before the first. It may consist of several, with commas between them, where the client was served by
// several regions.
// The client's own reads send it by themselves; it is for other processes, which hand it to [WithToken].
func (c *Client) Token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens.text()
}

// saw keeps a token that came with a write at a position.
func (c *Client) saw(text string, at id.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens.add(text, at)
}

// heard takes note of what the headers of an answer say: whose region answers, who leads there, and what a read has seen.
func (c *Client) heard(who *peer, h http.Header) {
	c.peers.heard(who, h.Get("Tidal-Region"), h.Get("Tidal-Leader"))
	if text := h.Get("Tidal-Token"); text != "" && seen.Peek(text).Vector.Len() > 0 {
		c.saw(text, id.Position{})
	}
}

// tokenOf is what a read sends: the context's token if it has one, else the client's.
func (c *Client) tokenOf(ctx context.Context) string {
	if text, ok := ctx.Value(tokenKey).(string); ok {
		return text
	}
	return c.Token()
}
