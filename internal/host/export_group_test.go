package host

// JoinQuestion is what a newcomer at an address asks.
func JoinQuestion(address string, wall int64) []byte {
	q := question{Kind: questionJoin, Address: address, Wall: wall}
	return q.encode()
}
