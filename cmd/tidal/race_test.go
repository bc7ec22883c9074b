//go:build race

package main

// raced says that the race detector is on, under which replaying a log takes ten times as long: the tests on 100,000
// rows then do each thing once.
const raced = true
