package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
)

// replicaNumber reads a replica's number from the command line.
func replicaNumber(c *cobra.Command, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 {
		return 0, usagef(c, "%q is no number of a replica; see: tidal cluster status", text)
	}
	return n, nil
}

func (a *app) clusterRemoveCommand() *cobra.Command {
	var f remote
	var force bool
	c := &cobra.Command{
		Use:   "remove N --server URL",
		Short: "Take a replica out of the group, for ever",
		Long: "remove takes replica N out: the others don't wait for it any more, and let nobody in under its number again. Its server\n" +
			"ends. To replace a dead replica remove it, then add another one.\n" +
			"\n" +
			"It is refused where too few of the others answer to go on without it; --force does it all the same, after which\n" +
			"nothing may be written until some of them are back.",
		Example: "  tidal cluster remove 3 --server http://db1:7878",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}
	f.register(c, "admin")
	c.Flags().BoolVar(&force, "force", false, "also where too few of the others answer to go on")
	c.RunE = func(c *cobra.Command, args []string) error {
		number, err := replicaNumber(c, args[0])
		if err != nil {
			return err
		}
		if err := f.resolve(a, c); err != nil {
			return err
		}
		in := struct {
			Number uint64 `json:"number"`
			Force  bool   `json:"force"`
		}{number, force}
		if err := f.call(c.Context(), "POST", "/v1/cluster/remove", in, &struct{}{}); err != nil {
			return err
		}
		return a.answer(struct {
			Removed uint64 `json:"removed"`
		}{number}, func(w io.Writer) { fmt.Fprintf(w, "Replica %d is removed.\n", number) })
	}
	return c
}

func (a *app) clusterTransferCommand() *cobra.Command {
	var f remote
	c := &cobra.Command{
		Use:   "transfer [N] --server URL",
		Short: "Have another replica lead",
		Long: "transfer has replica N lead, or the one that has most of the log, and returns once it does. Writes pause for some\n" +
			"milliseconds meanwhile. A server that is told to stop does so by itself.",
		Example: "  tidal cluster transfer --server http://db1:7878\n  tidal cluster transfer 2 --server http://db1:7878",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
	}
	f.register(c, "admin")
	c.RunE = func(c *cobra.Command, args []string) error {
		in := struct {
			To uint64 `json:"to"`
		}{}
		if len(args) == 1 {
			var err error
			if in.To, err = replicaNumber(c, args[0]); err != nil {
				return err
			}
		}
		if err := f.resolve(a, c); err != nil {
			return err
		}
		var out struct {
			Leader uint64 `json:"leader"`
		}
		if err := f.call(c.Context(), "POST", "/v1/cluster/transfer", in, &out); err != nil {
			return err
		}
		if out.Leader == 0 { // the one that handed over hasn't heard yet from whom took over
			out.Leader = f.leader(c.Context())
		}
		return a.answer(out, func(w io.Writer) { fmt.Fprintf(w, "Replica %d leads.\n", out.Leader) })
	}
	return c
}

// leader asks once more who leads, 0 if that isn't known.
func (r *remote) leader(ctx context.Context) uint64 {
	st, err := r.status(ctx)
	if err != nil {
		return 0
	}
	return st.Leader
}
