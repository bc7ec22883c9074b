package host

import (
	"fmt"
	"log/slog"
	"strings"
)

// Stranded says that events of the database are missing here which nobody who is reached can give, and what to do: other regions hold
// them, and not any more what it takes to bring them here, as when this one was restored from a backup that is older than their logs
// reach back. nil if all is well, and where this member doesn't lead, as only the leader asks others. It's as of the last tick, and takes no lock.
func (r *Replica) Stranded() error {
	if r.loop == nil {
		return nil
	}
	if seen := r.loop.regions.Load(); seen != nil && len(seen.stranded) > 0 {
		return stranded(seen.stranded)
	}
	return nil
}

func stranded(holders []string) error {
	return fmt.Errorf("events that %s has are missing here, and nobody who is reached can give them: start the servers and regions that are "+
		"stopped; where tidal cluster status says that two others hold different events, settle that first, and they come; else this region won't get "+
		"them any more, so forget it at another one (tidal cluster forget) and begin it anew with an empty directory and under another name",
		strings.Join(holders, ", "))
}

// saysStranded logs when that begins, and when it's over.
func (l *loop) saysStranded(before, now *seenRegions) {
	was := before != nil && len(before.stranded) > 0
	is := len(now.stranded) > 0
	if was == is || l.links.group.Log == nil {
		return
	}
	if is {
		l.links.group.Log.Error("stranded", slog.String("err", stranded(now.stranded).Error()))
		return
	}
	l.links.group.Log.Info("what was missing here and nobody could give is here now, or is on its way")
}
