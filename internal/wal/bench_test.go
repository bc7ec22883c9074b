package wal

import (
	"fmt"
	"testing"
)

// BenchmarkAppendSync is one batch, written and made durable, on the disk of the test's temporary directory.
func BenchmarkAppendSync(b *testing.B) {
	for _, bytes := range []int{128, 8 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", bytes), func(b *testing.B) { benchmarkAppend(b, bytes, 1) })
	}
}

// BenchmarkAppend is the same without waiting for the disk, but for a sync every 64 batches.
func BenchmarkAppend(b *testing.B) {
	for _, bytes := range []int{128, 8 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", bytes), func(b *testing.B) { benchmarkAppend(b, bytes, 64) })
	}
}

func benchmarkAppend(b *testing.B, bytes, every int) {
	log, _, err := Open(Options{Dir: b.TempDir(), Identity: testIdentity})
	if err != nil {
		b.Fatal(err)
	}
	entries := []Entry{{Kind: KindBatch, Term: 1, Data: make([]byte, bytes)}}
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for i := uint64(1); b.Loop(); i++ {
		entries[0].Index = i
		if err := log.Append(entries, nil); err != nil {
			b.Fatal(err)
		}
		if i%uint64(every) != 0 {
			continue
		}
		if err := log.Sync(); err != nil {
			b.Fatal(err)
		}
		// Keep the disk small: nobody reads what is behind.
		if err := log.Release(i); err != nil {
			b.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpen reads and checks a log of 64 MiB in batches of 8 kB.
func BenchmarkOpen(b *testing.B) {
	options := Options{Dir: b.TempDir(), Identity: testIdentity}
	log, _, err := Open(options)
	if err != nil {
		b.Fatal(err)
	}
	const n = 8192
	for i := uint64(1); i <= n; i++ {
		if err := log.Append([]Entry{{KindBatch, 1, i, make([]byte, 8<<10)}}, nil); err != nil {
			b.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(n * 8 << 10)
	for b.Loop() {
		log, found, err := Open(options)
		if err != nil || found.LastIndex != n {
			b.Fatalf("%+v, %v", found, err)
		}
		if err := log.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
