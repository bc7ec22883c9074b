package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// clusterRegion is a region as a replica knows it. What is lacked is of other regions.
type clusterRegion struct {
	Name        string    `json:"name"`
	Number      uint16    `json:"number"`
	Role        string    `json:"role"` // home, active, follower or removed
	Self        bool      `json:"self"`
	Unreachable bool      `json:"unreachable"`
	Addresses   []string  `json:"addresses"`
	URLs        []string  `json:"urls"`
	WeLack      regionLag `json:"we_lack"`   // what was written there and isn't here
	TheyLack    regionLag `json:"they_lack"` // and the other way round
	// Heard is when it was last heard of, if it ever was.
	Heard   *time.Time        `json:"heard,omitempty"`
	Vector  string            `json:"vector"` // what it told that it has
	Source  string            `json:"source"` // what was written there comes from
	Done    int64             `json:"done"`   // events of a gap that is being closed
	Total   int64             `json:"total"`
	Refused map[string]uint64 `json:"refused,omitempty"` // by cause
	// Successor is of a region that was removed.
	Successor string `json:"successor,omitempty"`
	// Sent is what the replica that answered gave it, and Taken what came from it, since that one was started; HeldBytes how much
	// of the log it lacks; Stranded that something of it is missing and nobody can give it.
	Sent      regionFlow `json:"sent"`
	Taken     regionFlow `json:"taken"`
	HeldBytes int64      `json:"held_bytes"`
	Stranded  bool       `json:"stranded"`
	// DiffersAt are positions at which it holds other events than the region that answered.
	DiffersAt []string `json:"differs_at,omitempty"`
}

// regionFlow is what went from one region to another.
type regionFlow struct {
	Batches int64 `json:"batches"`
	Ranges  int64 `json:"ranges"`
	Bytes   int64 `json:"bytes"`
}

type regionLag struct {
	Batches int64 `json:"batches"`
	Events  int64 `json:"events"`
	TimeUS  int64 `json:"time_us"`
}

func (l *regionLag) String() string {
	if l.Batches == 0 && l.Events == 0 && l.TimeUS == 0 {
		return "nothing"
	}
	text := thousands(l.Events)
	if l.Batches > 0 { // it isn't known of what isn't here
		text += " in " + numbered(l.Batches, "batch", "batches")
	}
	return text + ", " + round(time.Duration(l.TimeUS)*time.Microsecond)
}

// printRegions shows the regions of a database that has several.
func (st *clusterStatus) printRegions(w io.Writer) {
	if len(st.Regions) == 0 {
		return
	}
	fmt.Fprintf(w, "\nregions, as %s knows them:\n\n", st.Region)
	var rows [][]string
	var more []string
	for i := range st.Regions {
		r := &st.Regions[i]
		row := []string{r.Name, r.Role, "–", "–", "–", dash(strings.TrimPrefix(r.Vector, "-"))}
		switch {
		case r.Role == "removed":
			more = append(more, fmt.Sprintf("%s was removed; %s stands in for it.", r.Name, r.Successor))
		case !r.Self:
			row[2] = map[bool]string{true: "no", false: "yes"}[r.Unreachable]
			row[3], row[4] = r.WeLack.String(), r.TheyLack.String()
		}
		more = append(more, r.remarks()...)
		rows = append(rows, row)
	}
	if st.Pending > 0 {
		more = append(more, fmt.Sprintf("%s to be taken back by %s, which its leader does by itself.", numbered(st.Pending, "event is", "events are"), st.Region))
	}
	if st.Lost > 0 {
		more = append(more, numbered(st.Lost, "of them isn't", "of them aren't")+" in the log any more, and goes on being counted.")
	}
	table(w, []string{"region", "role", "reached", ">lacked here", ">lacked there", "has"}, rows)
	for _, line := range more {
		fmt.Fprintln(w, line)
	}
}

// remarks are what else is to be said of a region.
func (r *clusterRegion) remarks() (out []string) {
	if r.Total > 0 {
		out = append(out, fmt.Sprintf("%s: %s of %s events of a gap have come.", r.Name, thousands(r.Done), thousands(r.Total)))
	}
	if r.Stranded {
		out = append(out, fmt.Sprintf("%s HAS WHAT IS MISSING HERE, and nobody who is reached can give it: start the servers and regions that are "+
			"stopped; where others are said to hold different events, settle that first; else forget this region and begin it anew with an "+
			"empty directory and under another name (docs/operations.md, A region was away for too long).", r.Name))
	}
	if len(r.DiffersAt) > 0 {
		out = append(out, fmt.Sprintf("%s HOLDS OTHER EVENTS at %s: a region was started on an old copy of its disk, and neither takes these "+
			"from the other; docs/operations.md says what to do.", r.Name, strings.Join(r.DiffersAt, ", ")))
	}
	if r.Source != "" && r.Source != r.Name {
		out = append(out, fmt.Sprintf("What %s writes comes by way of %s.", r.Name, r.Source))
	}
	if r.Unreachable && r.Heard != nil {
		text := fmt.Sprintf("%s was last heard of at %s", r.Name, r.Heard.UTC().Format(time.RFC3339))
		if r.HeldBytes > 0 {
			text += fmt.Sprintf("; %s bytes of the log here stay for it", thousands(r.HeldBytes))
		}
		out = append(out, text+".")
	}
	for _, cause := range slices.Sorted(maps.Keys(r.Refused)) {
		out = append(out, fmt.Sprintf("%s: %s refused: %s.", r.Name, thousands(r.Refused[cause]), cause))
	}
	return out
}

// regionPath is the path of a change of a region, whose name must be one.
func regionPath(c *cobra.Command, name, verb string) (string, error) {
	if name == "" || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", usagef(c, "%q is no name of a region; see: tidal cluster status", name)
	}
	return "/v1/cluster/regions/" + url.PathEscape(name) + ":" + verb, nil
}

func (a *app) clusterPromoteCommand() *cobra.Command {
	var f remote
	c := &cobra.Command{
		Use:   "promote REGION --server URL",
		Short: "Make a region the home region",
		Long: "promote makes REGION the home region: what only one region may decide it decides from now on, and it takes writes. Any\n" +
			"server will do that reaches REGION, also while the present home region is lost.\n" +
			"\n" +
			"A region that was the home region is an active one when it comes back, and ships what it had written. Where REGION was a\n" +
			"follower, the old home region is one from then on.",
		Example: "  tidal cluster promote eu-west --server http://db1.eu:7878",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}
	f.register(c, "admin")
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := regionPath(c, args[0], "promote")
		if err != nil {
			return err
		}
		if err := f.resolve(a, c); err != nil {
			return err
		}
		if err := f.call(c.Context(), "POST", path, nil, &struct{}{}); err != nil {
			return err
		}
		return a.answer(struct {
			Home string `json:"home"`
		}{args[0]}, func(w io.Writer) { fmt.Fprintf(w, "%s is the home region.\n", args[0]) })
	}
	return c
}

func (a *app) clusterForgetCommand() *cobra.Command {
	var f remote
	var successor string
	c := &cobra.Command{
		Use:   "forget REGION [--successor NAME] --server URL",
		Short: "Take a region out, for ever",
		Long: "forget takes REGION out: the others don't wait for it any more, keep no log for it, and don't let it in again. What it\n" +
			"had acknowledged and shipped to none of them is lost. NAME stands in for it: where something that it wrote has to be\n" +
			"taken back, that region does so; without --successor it's the home region, which has to be reached.",
		Example: "  tidal cluster forget ap-south --successor eu-west --server http://db1:7878",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}
	f.register(c, "admin")
	c.Flags().StringVar(&successor, "successor", "", "region that stands in for it (default: the home region)")
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := regionPath(c, args[0], "forget")
		if err != nil {
			return err
		}
		if err := f.resolve(a, c); err != nil {
			return err
		}
		if successor != "" {
			path += "?successor=" + url.QueryEscape(successor)
		}
		if err := f.call(c.Context(), "POST", path, nil, &struct{}{}); err != nil {
			return err
		}
		return a.answer(struct {
			Removed   string `json:"removed"`
			Successor string `json:"successor"`
		}{args[0], successor}, func(w io.Writer) {
			fmt.Fprintf(w, "%s is removed; %s stands in for it.\n", args[0], cmp.Or(successor, "the home region"))
		})
	}
	return c
}
