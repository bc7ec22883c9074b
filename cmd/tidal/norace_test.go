//go:build !race

package main

// raced says that the race detector is on; see race_test.go.
const raced = false
