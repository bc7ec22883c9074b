package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/certs"
)

// authority is the name of the files of a cluster's authority.
const authority = "ca"

// certResult is what cert prints with --json.
type certResult struct {
	Certificate string    `json:"certificate"`
	Key         string    `json:"key"`
	Until       time.Time `json:"until"`
}

func (a *app) clusterCertCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cert",
		Short: "Make the certificates by which replicas know each other",
		Long: "Replicas speak TLS 1.3 with each other, and each shows a certificate that the cluster's own authority signed. Make the\n" +
			"authority once, on a machine that is no server, and keep its key there; make a certificate for each replica with it.",
		Example: "  tidal cluster cert ca --dir certs --cluster shop\n" +
			"  tidal cluster cert node --dir certs --name db1 --host db1.example.com --host 10.0.0.1",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.clusterCertCACommand(), a.clusterCertNodeCommand())
	return c
}

func (a *app) clusterCertCACommand() *cobra.Command {
	var dir, cluster string
	var days int
	c := &cobra.Command{
		Use:   "ca --dir D --cluster NAME",
		Short: "Make the authority of a cluster",
		Long: "ca writes D/ca.crt, which every replica needs, and D/ca.key, which stays with you: who has it can make replicas. Files\n" +
			"that exist are left as they are, and refused.",
		Example: "  tidal cluster cert ca --dir certs --cluster shop",
		Args:    usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory for the files; it's made if it isn't there")
	c.Flags().StringVar(&cluster, "cluster", "", "the cluster's name: 1 to 63 small letters, digits, dots and hyphens")
	c.Flags().IntVar(&days, "days", 3650, "how long it is good, in days")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if dir == "" || cluster == "" {
			return usagef(c, "--dir and --cluster are missing: where do the files go, and what is the cluster called?")
		}
		pair, err := certs.MakeCA(cluster, a.now(), days)
		if err != nil {
			return err
		}
		return a.keepCertificate(pair, dir, authority, days)
	}
	return c
}

func (a *app) clusterCertNodeCommand() *cobra.Command {
	var dir, name string
	var hosts []string
	var days int
	c := &cobra.Command{
		Use:   "node --dir D --name NAME --host HOST",
		Short: "Make the certificate of a replica",
		Long: "node writes D/NAME.crt and D/NAME.key, signed with D/ca.key. Each --host is a name or IP address by which other replicas\n" +
			"reach this one. A running server takes a new certificate up by itself when its files are replaced.",
		Example: "  tidal cluster cert node --dir certs --name db1 --host db1.example.com --host 10.0.0.1",
		Args:    usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory with the authority, where the files go, too")
	c.Flags().StringVar(&name, "name", "", "the replica's name: 1 to 63 small letters, digits, dots and hyphens")
	c.Flags().StringArrayVar(&hosts, "host", nil, "name or IP address by which others reach it; may be given several times")
	c.Flags().IntVar(&days, "days", 365, "how long it is good, in days; not longer than the authority")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if dir == "" || name == "" || len(hosts) == 0 {
			return usagef(c, "--dir, --name and --host are missing: where is the authority, what is the replica called, and how is it reached?")
		}
		if name == authority {
			return usagef(c, "--name %s is the authority's", authority)
		}
		ca, err := certs.Read(dir, authority)
		if err != nil {
			return fmt.Errorf("read the authority: %w", err)
		}
		pair, err := certs.MakeNode(ca, name, hosts, a.now(), days)
		if err != nil {
			return err
		}
		return a.keepCertificate(pair, dir, name, days)
	}
	return c
}

// keepCertificate writes a certificate and its key, and says where.
func (a *app) keepCertificate(pair certs.Pair, dir, name string, days int) error {
	if err := pair.Write(dir, name); err != nil {
		return fmt.Errorf("write the certificate: %w", err)
	}
	r := certResult{
		Certificate: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), Until: a.now().AddDate(0, 0, days).UTC(),
	}
	return a.answer(r, func(w io.Writer) {
		fmt.Fprintf(w, "%s, good until %s\n%s, which is secret\n", r.Certificate, r.Until.Format(time.DateOnly), r.Key)
	})
}
