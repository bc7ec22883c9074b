package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// errUnhealthy is of a group that shouldn't get another replica now.
var errUnhealthy = errors.New("the group isn't well enough for another replica")

// addPlan is what add prints with --json: what to run on the new machine, in this order.
type addPlan struct {
	Join     []string `json:"join"`
	Commands []string `json:"commands"`
	Warnings []string `json:"warnings,omitempty"`
}

// addFlags say what the new replica will be.
type addFlags struct {
	remote
	host, name, dataDir string
	plain, force        bool
}

func (a *app) clusterAddCommand() *cobra.Command {
	var f addFlags
	c := &cobra.Command{
		Use:   "add --host HOST --server URL",
		Short: "Print what to run on a new machine so that it becomes a replica",
		Long: "add looks whether the group is well, and prints the commands for a new machine: which certificate it needs, and the\n" +
			"server that asks for a place and copies the database. Nothing is changed before you run them. The new replica doesn't\n" +
			"vote until it has caught up.",
		Example: "  tidal cluster add --host db4.example.com --server http://db1:7878",
		Args:    usageArgs(cobra.NoArgs),
	}
	f.register(c, "read")
	c.Flags().StringVar(&f.host, "host", "", "name or IP address of the new machine, as the other replicas reach it")
	c.Flags().StringVar(&f.name, "name", "", "short name of its certificate; made of the host if empty")
	c.Flags().StringVar(&f.dataDir, "data-dir", "/var/lib/tidal", "directory of the database there")
	c.Flags().BoolVar(&f.plain, "plain", false, "without certificates, as on one machine for trying it out")
	c.Flags().BoolVar(&f.force, "force", false, "print them also if the group isn't well")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if f.host == "" {
			return usagef(c, "--host is missing: where will the other replicas reach the new one?")
		}
		if err := f.resolve(a, c); err != nil {
			return err
		}
		st, err := f.status(c.Context())
		if err != nil {
			return err
		}
		plan := addPlan{Warnings: st.unwell()}
		if len(plan.Warnings) > 0 && !f.force {
			return fmt.Errorf("%w: %s", errUnhealthy, strings.Join(plan.Warnings, "; "))
		}
		f.plan(&plan, st)
		return a.answer(plan, plan.print)
	}
	return c
}

// unwell says what should be mended before another replica comes.
func (st *clusterStatus) unwell() []string {
	var out []string
	if st.Leader == 0 {
		out = append(out, "nobody leads")
	}
	if st.Changing {
		out = append(out, "a change of the members is under way")
	}
	for i := range st.Members {
		m := &st.Members[i]
		switch {
		case m.Active != nil && !*m.Active:
			out = append(out, fmt.Sprintf("replica %d at %s isn't heard of; if it's gone for good, remove it first", m.Number, m.Address))
		case m.Role == "learner":
			out = append(out, fmt.Sprintf("replica %d at %s is still catching up", m.Number, m.Address))
		}
	}
	return out
}

// Ports where nothing else is said.
const (
	clientPort = "7878"
	groupPort  = "7879"
)

func (f *addFlags) plan(p *addPlan, st *clusterStatus) {
	for i := range st.Members {
		p.Join = append(p.Join, st.Members[i].Address)
	}
	name := f.name
	if name == "" {
		name, _, _ = strings.Cut(strings.ToLower(f.host), ".")
		if net.ParseIP(f.host) != nil {
			name = "db-" + strings.NewReplacer(".", "-", ":", "-").Replace(f.host)
		}
	}
	scheme := "http"
	if u, err := url.Parse(st.LeaderURL); err == nil && u.Scheme != "" {
		scheme = u.Scheme
	}
	serve := []string{
		"tidal serve --data-dir " + f.dataDir, "--listen " + net.JoinHostPort(f.host, clientPort),
		"--cluster-listen " + net.JoinHostPort(f.host, groupPort), "--cluster-join " + strings.Join(p.Join, ","),
	}
	if !f.plain {
		p.Commands = append(p.Commands, fmt.Sprintf("tidal cluster cert node --dir certs --name %s --host %s", name, f.host))
		serve = append(serve, "--cluster-ca certs/ca.crt", "--cluster-cert certs/"+name+".crt", "--cluster-key certs/"+name+".key")
	}
	if scheme == "https" {
		serve = append(serve, "--tls-cert SERVER.crt", "--tls-key SERVER.key")
	}
	p.Commands = append(p.Commands, strings.Join(serve, " \\\n  "))
}

func (p *addPlan) print(w io.Writer) {
	for _, text := range p.Warnings {
		fmt.Fprintln(w, "# "+text)
	}
	if len(p.Commands) == 2 {
		fmt.Fprintln(w, "# Where the authority's key is; then bring ca.crt and the new certificate and key to the new machine:")
		fmt.Fprintln(w, p.Commands[0])
	}
	fmt.Fprintln(w, "# On the new machine, with API keys as the others have them:")
	fmt.Fprintln(w, p.Commands[len(p.Commands)-1])
	fmt.Fprintln(w, "# Then see how it comes along: tidal cluster status")
}
