package cluster_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/cluster"
	"github.com/tidaldb/tidal/schema"
)

// Two regions in one program, of one member each. The second begins with a copy of the first; both take writes.
func Example_regions() {
	dir, err := os.MkdirTemp("", "regions")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	shop := &schema.Schema{Name: "shop", Signals: []schema.SignalType{{Name: "view", Meaning: schema.Positive}}}
	east, err := cluster.Start(cluster.Config{
		Dir: filepath.Join(dir, "east"), Schema: shop, Listen: "127.0.0.1:0", Region: "us-east",
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = east.Close(ctx) }()
	west, err := cluster.Start(cluster.Config{
		Dir: filepath.Join(dir, "west"), Listen: "127.0.0.1:0", Region: "eu-west", RegionJoin: []string{east.Address()},
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = west.Close(ctx) }()

	// Acknowledged once the other region has it, too.
	receipt, err := east.DB().Write(ctx, tidal.Request{
		Ack: tidal.AckGeo, Records: []tidal.Record{tidal.Signal{Type: "view", Item: "i1", User: "ada"}},
	})
	if err == nil {
		err = west.DB().Wait(ctx, receipt.Token()) // which it has, by then
	}
	if err != nil {
		panic(err)
	}
	cell, err := west.DB().Cell(ctx, "i1", "view", time.Time{})
	if err != nil {
		panic(err)
	}
	fmt.Println("views in the other region:", cell.Total)
	for _, r := range west.Regions() {
		fmt.Println(r.Number, r.Name, r.Role)
	}
	// Output:
	// views in the other region: 1
	// 0 us-east home
	// 1 eu-west active
}
