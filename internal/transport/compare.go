package transport

import "fmt"

// Compare says whether a replica that introduces itself as from belongs with the one that is here and was called as the
// number to, of [Far] if from is of another region; 0 says that any number will do. With regions one of another region of
// the same cluster and shard belongs, too. It is the same in every form of the transport. Nil: it does.
func Compare(from, here Identity, to uint64, regions bool) *Refusal {
	switch {
	case to != 0 && (here.Replica == 0 || from.Replica == 0), // first: a newcomer is of no cluster either
		here.Replica == 0 && here.Cluster == [16]byte{}: // and has nothing to answer
		return &Refusal{Reason: ReasonNotYet, Text: "it has no number yet; it must join before it takes or sends frames"}
	case from.Cluster != here.Cluster:
		return &Refusal{Reason: ReasonCluster, Text: fmt.Sprintf(
			"replica %d is of cluster %x, replica %d of cluster %x; look at the addresses, or start it with an empty directory to join",
			from.Replica, from.Cluster, here.Replica, here.Cluster)}
	case from.Shard != here.Shard || from.Region != here.Region && !regions:
		return &Refusal{Reason: ReasonGroup, Text: fmt.Sprintf(
			"replica %d is of region %d, shard %d, replica %d of region %d, shard %d; look at the addresses",
			from.Replica, from.Region, from.Shard, here.Replica, here.Region, here.Shard)}
	case to == 0:
		return nil
	case here.SeenFrom(from.Region) != to:
		return &Refusal{Reason: ReasonReplica, Text: fmt.Sprintf(
			"this is %s, and %s was looked for; its address has changed, or two replicas have one address",
			calledOf(&here, from.Region), called(to))}
	case from.Region == here.Region && from.Replica == here.Replica:
		return &Refusal{Reason: ReasonOverlap, Text: fmt.Sprintf(
			"both ends are replica %d; one of them runs on a copied directory: empty it, and let it join", here.Replica)}
	}
	return nil
}

// Overlap is the refusal of a second living process that claims a number.
func Overlap(number uint64, first, second string) *Refusal {
	return &Refusal{Reason: ReasonOverlap, Text: fmt.Sprintf(
		"%s runs at %s already and answers; the one at %s runs on a copied directory: empty it, and let it join",
		called(number), first, second)}
}
