package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fleet"
)

// Peers whose cable is pulled, and peers that hear one another no longer while clients still reach both.
func TestServersThatAreCutOff(t *testing.T) {
	n := times(1, 1, 20)
	w := newNetwork(t, 3)
	x := newTrial(t, 3*time.Minute+time.Duration(n)*30*time.Second, fleet.Options{
		Hosts: w.hosts, Wrap: w.wrap, Settings: []string{"--insecure-listen"},
	})
	var ledgers []*fleet.Ledger
	for range n {
		at := x.place()
		w.unplug(at)
		x.served("the leader is off the network")
		w.plug(at)
		x.whole()

		at = x.place()
		for other := range 3 {
			if other != at {
				w.part(at, other)
			}
		}
		x.served("the leader hears its peers no longer, and clients reach it")
		ledgers = append(ledgers, x.latest(x.f.Nodes[at]))
		for other := range 3 {
			if other != at {
				w.mend(at, other)
			}
		}
		x.whole()

		at = x.place()
		w.part(at, (at+1)%3)
		x.served("the leader hears one of its peers no longer")
		w.mend(at, (at+1)%3)
		x.whole()
	}
	x.settle(ledgers...)
}

// latest has something be acknowledged by the others, and asks a server that has heard nothing of it for the latest: it
// may find out, and it may not answer, but it may not say that less was counted. It returns what was written.
func (x *trial) latest(node *fleet.Node) *fleet.Ledger {
	x.Helper()
	var addrs []string
	for _, other := range x.f.Others(node) {
		addrs = append(addrs, other.URL)
	}
	l, err := fleet.StartLoad(x.ctx, fleet.LoadOptions{Addrs: addrs, Writers: 1, Batch: 1, Attempt: time.Second})
	good(x.T, err)
	ledger := stopped(x.ctx, x.T, l)
	for lane := range ledger.Lanes {
		x.counts(node, fleet.ItemOf(lane, 1), ledger.Count(fleet.Acked))
	}
	return ledger
}

// counts asks a server for the latest count of an item, which can only be one.
func (x *trial) counts(node *fleet.Node, item string, want int) {
	x.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, 2*time.Second)
	defer cancel()
	at := node.URL + "/v1/items/" + url.PathEscape(item) + "/signals/view"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	good(x.T, err)
	req.Header.Set("Tidal-Read", "latest")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		x.Logf("node %s, asked for the latest, doesn't answer: %v", node.Name, err)
		return
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	good(x.T, err)
	x.Logf("node %s, asked for the latest: %s", node.Name, res.Status)
	var cell struct {
		Total json.Number `json:"total"`
	}
	switch {
	case res.StatusCode == http.StatusNotFound:
		x.Errorf("node %s, asked for the latest, hasn't heard of what was acknowledged elsewhere: %s", node.Name, text)
	case res.StatusCode == http.StatusOK && (json.Unmarshal(text, &cell) != nil || cell.Total != json.Number(fmt.Sprint(want))):
		x.Errorf("node %s, asked for the latest of what counts %d elsewhere, says %s", node.Name, want, text)
	}
}

// place is the leader's place among the nodes.
func (x *trial) place() int {
	x.Helper()
	leader, _ := x.leader()
	return int(leader.Name[0] - 'a')
}
