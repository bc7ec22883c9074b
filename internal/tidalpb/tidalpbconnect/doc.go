// Package tidalpbconnect is the services of the network interface, written by buf from the files in proto/; edit those,
// and run make proto.
//
//	client := tidalpbconnect.NewTidalClient(http.DefaultClient, "http://localhost:7878")
//	res, err := client.Rank(ctx, &tidalpb.RankRequest{…})
//
// It doesn't implement them; package server does.
package tidalpbconnect
