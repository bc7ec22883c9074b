package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) clusterCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cluster",
		Short: "Look at the replicas and regions of a database, and change who they are",
		Long: "cluster asks any server of a group who its replicas are, and has it take one out or lead in another's place. It says how\n" +
			"far the regions of a database are, makes one of them the home region and takes one out. It makes the certificates by\n" +
			"which replicas know each other, and recovers a group that lost most of them.",
		Example: "  tidal cluster status --server http://db1:7878\n" +
			"  tidal cluster cert ca --dir certs --cluster shop\n" +
			"  tidal cluster promote eu-west --server http://db1.eu:7878",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		a.clusterStatusCommand(), a.clusterAddCommand(), a.clusterRemoveCommand(), a.clusterTransferCommand(), a.clusterPromoteCommand(),
		a.clusterForgetCommand(), a.clusterDemoCommand(), a.clusterCertCommand(), a.clusterRecoverCommand(),
	)
	return c
}

// clusterStatus is what status prints with --json.
type clusterStatus struct {
	Cluster   string          `json:"cluster"`
	Replica   uint64          `json:"replica"` // that answered
	Leader    uint64          `json:"leader"`  // 0 if none is known
	LeaderURL string          `json:"leader_url"`
	Term      uint64          `json:"term"`
	Commit    uint64          `json:"commit"`
	Applied   uint64          `json:"applied"`
	Changing  bool            `json:"changing"`
	Members   []clusterMember `json:"members"`
	// Forked is why the region of the leader takes no writes, and what to do; empty if it does.
	Forked string `json:"forked,omitempty"`
	// Incarnation is the group's. Pending events of the region are to be taken back by it, of which the log doesn't hold Lost any
	// more; Undos were not taken back by any region yet.
	Incarnation int64           `json:"incarnation"`
	Pending     int64           `json:"pending"`
	Undos       int64           `json:"undos"`
	Lost        int64           `json:"lost"`
	Region      string          `json:"region"`  // of the replica that answered, empty where there never was a second one
	Regions     []clusterRegion `json:"regions"` // none there
}

type clusterMember struct {
	Number  uint64 `json:"number"`
	Address string `json:"address"`
	URL     string `json:"url"`
	Role    string `json:"role"`
	// What follows only a leader knows.
	Lag      *int64 `json:"lag,omitempty"`
	Active   *bool  `json:"active,omitempty"`
	Snapshot *bool  `json:"snapshot,omitempty"`
}

// status asks a server how its group is, and then its leader, who knows more.
func (r *remote) status(ctx context.Context) (*clusterStatus, error) {
	var st clusterStatus
	if err := r.call(ctx, "GET", "/v1/cluster", nil, &st); err != nil {
		return nil, err
	}
	if st.Leader == st.Replica || st.LeaderURL == "" {
		return &st, nil
	}
	leader := *r
	leader.server = strings.TrimSuffix(st.LeaderURL, "/")
	var better clusterStatus
	if leader.call(ctx, "GET", "/v1/cluster", nil, &better) == nil {
		return &better, nil
	}
	return &st, nil
}

func (a *app) clusterStatusCommand() *cobra.Command {
	var f remote
	c := &cobra.Command{
		Use:   "status --server URL",
		Short: "Say who the replicas and regions are, who leads, and how far each is",
		Long: "status asks a server of the group, any of them, and through it the leader, who knows of each replica whether it was\n" +
			"heard of lately and how many entries of the log it lacks. Of a database in several regions it says what each is, and\n" +
			"what this one and the others lack of each other.",
		Example: "  tidal cluster status --server http://db1:7878\n  tidal cluster status --server https://db2:7878 --ca certs/ca.crt --json",
		Args:    usageArgs(cobra.NoArgs),
	}
	f.register(c, "read")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.resolve(a, c); err != nil {
			return err
		}
		st, err := f.status(c.Context())
		if err != nil {
			return err
		}
		return a.answer(st, st.print)
	}
	return c
}

func (st *clusterStatus) print(w io.Writer) {
	leader := "nobody"
	if st.Leader != 0 {
		leader = fmt.Sprintf("replica %d", st.Leader)
	}
	of := ""
	if st.Incarnation > 0 {
		of = fmt.Sprintf(", incarnation %d", st.Incarnation)
	}
	fmt.Fprintf(w, "cluster %s%s, term %d, %s leads; told by replica %d\n", st.Cluster, of, st.Term, leader, st.Replica)
	if st.Changing {
		fmt.Fprintln(w, "A change of the members is under way.")
	}
	if st.Leader == 0 {
		fmt.Fprintln(w, "NOTHING IS WRITTEN: most of the replicas have to run and reach each other. Start those that are stopped; if most are gone for\n"+
			"good, docs/operations.md says how one of those that are left goes on (More than half of them are gone).")
	}
	if st.Forked != "" {
		fmt.Fprintf(w, "THIS REGION TAKES NO WRITES: %s\n", st.Forked)
	}
	fmt.Fprintln(w)
	var rows [][]string
	for i := range st.Members {
		m := &st.Members[i]
		heard, behind := "?", "?"
		if m.Active != nil {
			heard = map[bool]string{true: "yes", false: "no"}[*m.Active]
		}
		if m.Lag != nil {
			behind = thousands(*m.Lag)
		}
		if m.Snapshot != nil && *m.Snapshot {
			behind += " (snapshot)"
		}
		rows = append(rows, []string{strconv.FormatUint(m.Number, 10), m.Role, heard, behind, m.Address, dash(m.URL)})
	}
	table(w, []string{">replica", "role", "heard", ">behind", "address", "url"}, rows)
	st.printRegions(w)
}

// dash stands for what is empty.
func dash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}
