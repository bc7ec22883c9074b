package query

import (
	"testing"

	"github.com/tidaldb/tidal/schema"
)

const usual = `RANK items FOR USER "u" USING for_you FILTER category = "jazz" AND unseen DIVERSIFY max_per_creator 2 LIMIT 25`

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{"usual": usual, "full": full} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseJSON(b *testing.B) {
	for name, text := range map[string]string{"usual": usual, "full": full} {
		q, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		data := q.AppendJSON(nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseJSON(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	s := shop()
	for name, text := range map[string]string{"usual": usual, "full": full} {
		q, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := q.Compile(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	x, err := ParseFilter(`region = "US" AND (age < 25 OR age >= 65)`)
	if err != nil {
		b.Fatal(err)
	}
	x, err = CompileFilter(x, &shop().Users, true)
	if err != nil {
		b.Fatal(err)
	}
	region, age := schema.String("US"), schema.Int(70)
	lookup := func(field string) (schema.Value, bool) {
		if field == "region" {
			return region, true
		}
		return age, true
	}
	b.ReportAllocs()
	for b.Loop() {
		if !Match(x, lookup, 0) {
			b.Fatal("doesn't match")
		}
	}
}
