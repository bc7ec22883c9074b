package server

import (
	"context"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// wait returns when what a token says is visible, the message's, or the header's where that has none, and what was
// acknowledged before, if the request asks for that.
func (s *Server) wait(ctx context.Context, token string) error {
	if err := s.await(ctx, token); err != nil {
		return err
	}
	return s.latest(ctx)
}

// maxTokens is how many tokens a request may have: one of each region that its caller was served by.
const maxTokens = 16

// await returns when what tokens say is visible, which have commas between them.
func (s *Server) await(ctx context.Context, tokens string) error {
	if tokens == "" {
		tokens = callOf(ctx).r.Header.Get(headerToken)
	}
	if tokens == "" {
		return nil
	}
	if strings.Count(tokens, ",") >= maxTokens {
		return fault.Refuse("token", "is more than %d tokens", maxTokens)
	}
	for one := range strings.SplitSeq(tokens, ",") {
		if err := s.db.Wait(ctx, strings.TrimSpace(one)); err != nil {
			return err
		}
	}
	return nil
}

// seen has an answer of a replica say what it was made from, so that the next read, at another replica, sees no less.
func (c *call) seen() {
	if c.server.group == nil || c.role != Read || c.w.Header().Get(headerToken) != "" {
		return
	}
	if token := c.server.db.Token(); token != "" {
		c.w.Header().Set(headerToken, token)
	}
}
