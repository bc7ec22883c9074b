// Package transport carries opaque frames between the replicas of a cluster.
//
//	t, err := transport.Listen(transport.Options{Listen: "10.0.0.1:7400", Identity: who, TLS: config, Handler: h})
//	t.SetPeer(2, "10.0.0.2:7400")
//	err = t.Send(2, frame) // at most once, never blocks; h.Receive has what others send
//
// A frame arrives at most once, whole, and within its class in the order in which it was sent, for as long as a connection
// lasts; or it doesn't arrive. What must arrive is sent again by whoever sent it: Raft does. Frames have two classes with
// queues and connections of their own, so that a snapshot in front of a heartbeat doesn't depose a leader.
//
// Both ends prove by certificates that they belong to the cluster, and say by a hello which cluster, group and replica they
// are. Whatever doesn't fit is refused with a [Refusal], which both ends have.
//
// The package doesn't know what is in a frame, who is a member and who leads. It never repeats a frame. Frames between two
// replicas travel on connections that the sender dialled; it reads from these only signs of life and the reason of an end.
// The form for processes is [TCP]; transport/pair has the one within a process, and transporttest the suite that all pass.
package transport
