// Package tidalpb is the messages of the network interface, written by buf from the files in proto/; edit those, and run
// make proto.
//
//	req := &tidalpb.WriteRequest{Records: []*tidalpb.Record{{Record: &tidalpb.Record_Signal{Signal: &tidalpb.Signal{…}}}}}
//
// Package tidalpbconnect beside it has the services. Nothing here knows the database: package server turns messages into
// calls of it. The interface has names and numbers that never change their meaning; what is added is additional.
package tidalpb
