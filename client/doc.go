// Package client talks to a tidal server: it writes signals and entities, asks for lists, and reads what was counted.
//
//	c, err := client.New(client.Options{Addr: "localhost:7878", Key: os.Getenv("TIDAL_KEY")})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	_, err = c.Signal(ctx, client.Signal{Type: "like", User: "ada", Item: "jazz-101"})
//	list, err := c.Rank(ctx, client.Query{User: "ada", Profile: "for_you", Limit: 10})
//
// What fails on the way is tried again, with growing pauses, until the context or [Options.Timeout] ends. Every client is
// a lane of its own and numbers its writes, so the server knows a retry from a new write: what was acknowledged counts
// once, and what wasn't at most once. Errors are those of package tidal where they mean the same, so errors.Is works
// alike for both. Reads see what the same client has written before.
//
// A client holds connections and is made once, for a whole program; its methods may be called from any goroutine. It links
// nothing of the database itself. Of a group of replicas it finds the leader, and follows when another one leads; it doesn't
// watch servers, and notices by calls that fail.
package client
