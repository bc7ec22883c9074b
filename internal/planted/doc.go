// Package planted holds mistakes that a build tag puts into tidal, so that the simulator can prove that it finds them.
//
// Each is a constant, false unless its tag is set: the code that asks for it is compiled away in every ordinary build.
//
//	go build -tags planted_ack_before_sync ./cmd/tidal
//
// docs/simulator.md lists them with the seeds that find them; scripts/planted.sh builds and runs them all. Nothing but
// these constants belongs here.
package planted
