package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// demoRegion is a region as its own server sees it.
type demoRegion struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Acked are the signals that a client was acknowledged there, Holds those of all regions that reads see there.
	Acked int   `json:"acked"`
	Holds int64 `json:"holds"`
	// Lacks says, by region, what isn't here yet.
	Lacks []demoLack `json:"lacks"`
}

type demoLack struct {
	Of        string `json:"of"`
	Reachable bool   `json:"reachable"`
	Events    int64  `json:"events"`
	TimeUS    int64  `json:"time_us"`
}

// regionDemoStep is what a step prints with --json.
type regionDemoStep struct {
	Step    string       `json:"step"` // start, connected, cut or healed
	MS      int64        `json:"ms"`   // since the beginning
	Text    string       `json:"text,omitempty"`
	Regions []demoRegion `json:"regions,omitempty"`
}

// tell begins a part of the demo.
func (d *regionDemo) tell(step, text string) {
	d.step = step
	switch {
	case d.once:
	case d.json:
		_ = d.printJSON(regionDemoStep{Step: step, MS: d.now().Sub(d.began).Milliseconds(), Text: text}) // a closed output ends the next look
	default:
		d.drawn = false
		fmt.Fprintf(d.stdout, "\n%s\n\n", text)
	}
}

// watch shows the regions for a while.
func (d *regionDemo) watch(ctx context.Context, long time.Duration) error {
	end := d.now().Add(long)
	return d.until(ctx, func([]demoRegion) bool { return !d.now().Before(end) })
}

// until shows the regions until what they say is enough.
func (d *regionDemo) until(ctx context.Context, enough func([]demoRegion) bool) error {
	for {
		all, err := d.look(ctx)
		if err != nil {
			return err
		}
		if err := d.show(all); err != nil {
			return err
		}
		if enough(all) {
			return nil
		}
		if err := wait(ctx, d.every); err != nil {
			return err
		}
	}
}

// look asks each region what it has, and what it and the others lack of each other.
func (d *regionDemo) look(ctx context.Context) ([]demoRegion, error) {
	var out []demoRegion
	owed := map[[2]string]clusterRegion{} // what the first has written and the second one lacks, as the first knows it
	for i, f := range d.world.Regions {
		r := remote{server: f.Nodes[0].URL, http: &http.Client{Timeout: remoteTimeout, Transport: &http.Transport{DisableKeepAlives: true}}}
		var stats struct {
			Signals int64 `json:"signals"`
		}
		var st clusterStatus
		if err := r.call(ctx, "GET", "/v1/stats", nil, &stats); err != nil {
			return nil, err
		}
		if err := r.call(ctx, "GET", "/v1/cluster", nil, &st); err != nil {
			return nil, err
		}
		one := demoRegion{Name: f.Name(), URL: r.server, Acked: d.loads[i].Acked() * demoBatch, Holds: stats.Signals, Lacks: []demoLack{}}
		for k := range st.Regions {
			if o := &st.Regions[k]; !o.Self {
				owed[[2]string{one.Name, o.Name}] = *o
				one.Lacks = append(one.Lacks, demoLack{Of: o.Name, Reachable: !o.Unreachable, Events: o.WeLack.Events, TimeUS: o.WeLack.TimeUS})
			}
		}
		out = append(out, one)
	}
	// What a region lacks of one that it doesn't hear of it can't know; the one that wrote it does.
	d.worst = 0
	for i := range out {
		for k := range out[i].Lacks {
			l := &out[i].Lacks[k]
			o := owed[[2]string{l.Of, out[i].Name}]
			l.Events, l.TimeUS = max(l.Events, o.TheyLack.Events), max(l.TimeUS, o.TheyLack.TimeUS)
			if l.Of == demoAway || out[i].Name == demoAway {
				d.worst = max(d.worst, l.Events)
			}
		}
	}
	return out, nil
}

// caughtUp reports whether each region hears of all others, and lacks nothing that is older than it may be.
func caughtUp(all []demoRegion, most time.Duration) bool {
	for i := range all {
		if len(all[i].Lacks) != len(all)-1 {
			return false
		}
		for _, l := range all[i].Lacks {
			if !l.Reachable || time.Duration(l.TimeUS)*time.Microsecond > most {
				return false
			}
		}
	}
	return true
}

// show prints one look: an object, a table that replaces the one before on a terminal, or a line.
func (d *regionDemo) show(all []demoRegion) error {
	switch {
	case d.once:
		return nil
	case d.json:
		return d.printJSON(regionDemoStep{Step: d.step, MS: d.now().Sub(d.began).Milliseconds(), Regions: all})
	}
	var b strings.Builder
	if onTerminal(d.stdout) {
		if d.drawn {
			fmt.Fprintf(&b, "\x1b[%dA\x1b[J", len(all)+1)
		}
		table(&b, []string{"region", ">written here", ">held", "lacks"}, regionRows(all))
		d.drawn = true
	} else {
		for i, row := range regionRows(all) {
			at := fmt.Sprintf("%5.1f s", d.now().Sub(d.began).Seconds())
			if i > 0 {
				at = strings.Repeat(" ", len(at))
			}
			fmt.Fprintf(&b, "%s  %-8s  %7s written here, %7s held, lacks %s\n", at, row[0], row[1], row[2], row[3])
		}
	}
	if _, err := io.WriteString(d.stdout, b.String()); err != nil {
		return fmt.Errorf("print the regions: %w", err)
	}
	return nil
}

func regionRows(all []demoRegion) [][]string {
	rows := make([][]string, len(all))
	for i := range all {
		r := &all[i]
		var lacks []string
		for _, l := range r.Lacks {
			if l.Events == 0 && l.Reachable {
				continue
			}
			text := thousands(l.Events)
			if l.TimeUS > 0 {
				text += " (" + round(time.Duration(l.TimeUS)*time.Microsecond) + ")"
			}
			text += " of " + l.Of
			if !l.Reachable {
				text += ", not reached"
			}
			lacks = append(lacks, text)
		}
		if lacks == nil {
			lacks = []string{"nothing"}
		}
		rows[i] = []string{r.Name, thousands(r.Acked), thousands(r.Holds), strings.Join(lacks, "; ")}
	}
	return rows
}
