package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/host"
)

// recoverResult is what recover prints with --json: what was done, or would be.
type recoverResult struct {
	Done       bool            `json:"done"`
	Before     string          `json:"before"` // region, shard and incarnation
	Now        string          `json:"now"`
	Replica    uint64          `json:"replica"`     // its number from then on
	WasReplica uint64          `json:"was_replica"` // and before
	Lost       []clusterMember `json:"lost"`        // who isn't heard any more
	Commit     uint64          `json:"commit"`      // the last entry that is known to be agreed upon
	Last       uint64          `json:"last"`        // the last that is here
	Requests   int             `json:"requests"`    // that lie between them, and are written again
	Records    int             `json:"records"`
	Again      int             `json:"again"`   // of these, requests that had been written before
	Refused    int             `json:"refused"` // and that can't be written any more
	RefusedFor []string        `json:"refused_for,omitempty"`
	Aside      string          `json:"aside"` // where the old log lies
}

func (a *app) clusterRecoverCommand() *cobra.Command {
	var dir, address, url string
	var accept bool
	c := &cobra.Command{
		Use:   "recover --dir D [--accept-loss]",
		Short: "Go on with one replica where most of a group is lost for good",
		Long: "recover makes the replica of a directory the only one of its group, under a new number and a new incarnation, so that\n" +
			"others can join it. It is for the case that most of the replicas are gone and WON'T COME BACK, with their disks.\n" +
			"\n" +
			"WRITES THAT WERE ACKNOWLEDGED CAN BE LOST: those that this replica doesn't have. Use the replica that has most. The\n" +
			"others must never be started again on their old directories; they are refused if they are.\n" +
			"\n" +
			"In a database of several regions it is for one more: a replica that is alone in its region and was started on an old copy\n" +
			"of its directory. It says so, and takes no writes. Behind recover the other regions give back what they have of it.\n" +
			"\n" +
			"Without --accept-loss nothing is changed, and it is said what would be. No server may run on the directory. A recovery\n" +
			"that was broken off is gone on with by running it again.",
		Example: "  tidal cluster recover --dir D                 # what would be done\n  tidal cluster recover --dir D --accept-loss",
		Args:    usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the replica that is left")
	c.Flags().BoolVar(&accept, "accept-loss", false, "agree that acknowledged writes may be lost, and do it")
	c.Flags().StringVar(&address, "address", "", "where other replicas will reach it; as before if empty")
	c.Flags().StringVar(&url, "url", "", "where applications will reach it; as before if empty")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := needDirectory(c, dir); err != nil {
			return err
		}
		got, err := host.Recover(c.Context(), host.RecoverOptions{Dir: dir, AcceptLoss: accept, Address: address, URL: url})
		if err != nil {
			return fmt.Errorf("recover: %w", err)
		}
		if got.Done {
			a.ownSecond(c.Context())
		}
		r := recoverResult{
			Done: got.Done, Before: got.Before.String(), Now: got.Now.String(), Replica: got.NowNumber, WasReplica: got.BeforeNumber,
			Lost: []clusterMember{}, Commit: got.Commit, Last: got.Last, Requests: got.Requests, Records: got.Records, Again: got.Again,
			Refused: got.Refused, RefusedFor: got.RefusedFor, Aside: got.Aside,
		}
		for _, m := range got.Lost {
			role := "voter"
			if m.Learner {
				role = "learner"
			}
			r.Lost = append(r.Lost, clusterMember{Number: m.Number, Address: m.Address, URL: m.URL, Role: role})
		}
		return a.answer(r, r.print)
	}
	return c
}

func (r *recoverResult) print(w io.Writer) {
	if r.Done {
		fmt.Fprintf(w, "Replica %d of %s is replica %d of %s, and the only one of its group.\n", r.WasReplica, r.Before, r.Replica, r.Now)
	} else {
		fmt.Fprintf(w, "NOTHING WAS CHANGED. With --accept-loss replica %d of %s becomes replica %d of %s, and the only one of its group.\n",
			r.WasReplica, r.Before, r.Replica, r.Now)
	}
	var gone []string
	for i := range r.Lost {
		gone = append(gone, strconv.FormatUint(r.Lost[i].Number, 10)+" at "+r.Lost[i].Address)
	}
	pairs(w, [][2]string{
		{"not heard any more", cmp.Or(strings.Join(gone, ", "), "nobody: it was the only one")},
		{"agreed upon", fmt.Sprintf("all up to entry %s", thousands(r.Commit))},
		{"behind that, here", fmt.Sprintf("%s requests with %s records, which may or may not have been acknowledged; they are written again",
			thousands(r.Requests), thousands(r.Records))},
		{"lost", fmt.Sprintf("what was acknowledged after entry %s and isn't here; nobody can say how much", thousands(r.Last))},
		{"old log", r.Aside},
	})
	if r.Refused > 0 {
		fmt.Fprintf(w, "%s requests can't be written any more: %s\n", thousands(r.Refused), strings.Join(r.RefusedFor, "; "))
	}
	if r.Done {
		fmt.Fprintln(w, "Start it with --cluster-listen, then let others join with EMPTY directories. Never start the lost ones as they were.")
	}
}
