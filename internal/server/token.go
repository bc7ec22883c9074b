package server

import "context"

// wait returns when what a token says is visible: the message's, or the header's where that has none.
func (s *Server) wait(ctx context.Context, token string) error {
	if token == "" {
		token = callOf(ctx).r.Header.Get(headerToken)
	}
	if token == "" {
		return nil
	}
	return s.db.Wait(ctx, token)
}
