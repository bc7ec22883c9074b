// Package test tests the program tidal as its operators meet it: built, started as processes, loaded through package
// client, and then killed, stopped, cut off and starved. What clients were told is compared with what every process has.
//
// The tests are all that is here. They need nothing but Go, and take more where they are root: networks of their own, and
// small disks. What a machine doesn't offer is skipped with the reason. go test -short ./test takes some seconds,
// go test ./test about a minute, and go test ./test -long as much as it's given by -timeout.
package test
