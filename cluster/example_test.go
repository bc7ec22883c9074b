package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/cluster"
	"github.com/tidaldb/tidal/schema"
)

// Three members in one program, each with a directory of its own. In earnest each is on a machine of its own, and has
// certificates: without them only loopback addresses are taken.
func Example() {
	dir, err := os.MkdirTemp("", "cluster")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	shop := &schema.Schema{Name: "shop", Signals: []schema.SignalType{{Name: "view", Meaning: schema.Positive}}}
	var members []*cluster.Member
	var join []string // nobody: the first one founds the database
	for i := range 3 {
		m, err := cluster.Start(cluster.Config{
			Dir: filepath.Join(dir, fmt.Sprint("member-", i+1)), Schema: shop, Listen: "127.0.0.1:0", Join: join,
			ElectionTimeout: 2 * time.Second, // here they get in each other's way
		})
		if err != nil {
			panic(err)
		}
		defer func() { _ = m.Close(ctx) }()
		members, join = append(members, m), append(join, m.Address())
	}

	// The leader takes writes. Others say who that is.
	request := tidal.Request{Lane: "checkout", Number: 1, Records: []tidal.Record{tidal.Signal{Type: "view", Item: "lamp"}}}
	_, err = members[2].DB().Write(ctx, request)
	var other *tidal.NotLeaderError
	fmt.Println("written:", err == nil, "leader:", errors.As(err, &other) && other.Leader == 1)
	if _, err := members[0].DB().Write(ctx, request); err != nil {
		panic(err)
	}

	// Every member answers reads; behind Latest, of all that was acknowledged anywhere before.
	if err := members[2].DB().Latest(ctx); err != nil {
		panic(err)
	}
	cell, err := members[2].DB().Cell(ctx, "lamp", "view", time.Time{})
	fmt.Println("views at another member:", cell.Total, err)
	// Output:
	// written: false leader: true
	// views at another member: 1 <nil>
}
