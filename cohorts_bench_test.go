package tidal_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// BenchmarkSignalsOfCohorts writes requests of 64 views by users with three fields, from 16 callers, with and without
// cohorts in the schema. What a cohort costs is to be resolved, and its cells: of eight cohorts a user is in none or in
// two, and in the last case the signals bring the names of two along.
func BenchmarkSignalsOfCohorts(b *testing.B) {
	countries := []string{"de", "at", "fr", "us", "gb", "in", "br", "jp"}
	for _, c := range []struct {
		name  string
		where func(i int) string
		own   []string
	}{
		{"none", nil, nil},
		{"0-of-8", func(i int) string { return fmt.Sprintf(`country = "x%d" AND age < 25`, i) }, nil},
		{"2-of-8", func(i int) string {
			return fmt.Sprintf(`country IN ("%s", "%s")`, countries[i], countries[(i+1)%8])
		}, nil},
		{"2-named", nil, []string{"c0", "c1"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := testSchema()
			s.Users.Fields = []schema.Field{
				{Name: "age", Type: schema.TypeInt},
				{Name: "country", Type: schema.TypeKeyword},
				{Name: "name", Type: schema.TypeKeyword},
			}
			for i := range 8 {
				if c.where != nil {
					s.Cohorts = append(s.Cohorts, schema.Cohort{Name: fmt.Sprint("c", i), Where: c.where(i)})
				}
			}
			db := open(b, b.TempDir(), s, nil)
			const callers, names = 16, 10_000
			var users, items [names]string
			var puts []tidal.Record
			for i := range names {
				users[i], items[i] = fmt.Sprint("user-", i), fmt.Sprint("item-", i)
				puts = append(puts, tidal.Put{Kind: tidal.User, ID: users[i], Fields: tidal.Fields{
					"age": schema.Int(int64(i % 80)), "country": schema.String(countries[i%8]), "name": schema.String(users[i]),
				}})
				if len(puts) == 500 {
					write(b, db, puts...)
					puts = nil
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for caller := range callers {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(1, uint64(caller)))
					request := make([]tidal.Signal, 64)
					for n := caller; n < b.N; n += callers {
						for j := range request {
							request[j] = tidal.Signal{
								Type: "view", User: users[rng.IntN(names)], Item: items[rng.IntN(names)], Cohorts: c.own,
							}
						}
						if _, err := db.Signals(ctx, request...); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*64), "ns/signal")
		})
	}
}
