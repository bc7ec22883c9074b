package server

import "context"

// wait returns when what a token says is visible, the message's, or the header's where that has none, and what was
// acknowledged before, if the request asks for that.
func (s *Server) wait(ctx context.Context, token string) error {
	if token == "" {
		token = callOf(ctx).r.Header.Get(headerToken)
	}
	if token != "" {
		if err := s.db.Wait(ctx, token); err != nil {
			return err
		}
	}
	return s.latest(ctx)
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
