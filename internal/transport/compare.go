package transport

import "fmt"

// Compare says whether a replica that introduces itself as from belongs with the one that is here and was called as the
// number to; 0 says that any number will do. It is the same in every form of the transport. Nil: it does.
func Compare(from, here Identity, to uint64) *Refusal {
	switch {
	case to != 0 && (here.Replica == 0 || from.Replica == 0): // first: a newcomer is of no cluster either
		return &Refusal{Reason: ReasonNotYet, Text: "it has no number yet; it must join before it takes or sends frames"}
	case from.Cluster != here.Cluster:
		return &Refusal{Reason: ReasonCluster, Text: fmt.Sprintf(
			"replica %d is of cluster %x, replica %d of cluster %x; look at the addresses, or start it with an empty directory to join",
			from.Replica, from.Cluster, here.Replica, here.Cluster)}
	case from.Region != here.Region || from.Shard != here.Shard:
		return &Refusal{Reason: ReasonGroup, Text: fmt.Sprintf(
			"replica %d is of region %d, shard %d, replica %d of region %d, shard %d; look at the addresses",
			from.Replica, from.Region, from.Shard, here.Replica, here.Region, here.Shard)}
	case to == 0:
		return nil
	case here.Replica != to:
		return &Refusal{Reason: ReasonReplica, Text: fmt.Sprintf(
			"this is replica %d, and replica %d was looked for; its address has changed, or two replicas have one address",
			here.Replica, to)}
	case from.Replica == here.Replica:
		return &Refusal{Reason: ReasonOverlap, Text: fmt.Sprintf(
			"both ends are replica %d; one of them runs on a copied directory: empty it, and let it join", here.Replica)}
	}
	return nil
}

// Overlap is the refusal of a second living process that claims a number.
func Overlap(number uint64, first, second string) *Refusal {
	return &Refusal{Reason: ReasonOverlap, Text: fmt.Sprintf(
		"replica %d runs at %s already and answers; the one at %s runs on a copied directory: empty it, and let it join",
		number, first, second)}
}
