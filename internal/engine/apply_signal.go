package engine

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
)

// pending are signals of a batch that were read and not yet applied. They are gathered because their effects on items
// and on users don't touch each other: with enough of them, both can be had at the same time.
type pending struct {
	events  []event
	signals []record.Signal // of as many events; the others keep their memory
	// ids of items and of users, for reading ahead
	itemIDs, userIDs []string
	item             func()
	user             func()
	errs             [2]error
}

// maxPending bounds how many signals are gathered, so that what was read is still in the cache; minPending is how many
// are worth the handing over.
const (
	maxPending = 512
	minPending = 64
)

// postpone reads a signal and gathers it.
func (e *Engine) postpone(ev *event, v *version, rec *record.Record) error {
	p := &e.pending
	n := len(p.events)
	if n == len(p.signals) {
		p.signals = append(p.signals, record.Signal{})
	}
	s := &p.signals[n]
	if err := record.DecodeSignal(rec.Body, s); err != nil {
		return err
	}
	var err error
	if ev.rules, err = v.rules(s.Type); err != nil {
		return err
	}
	c := &e.counters
	c.Signals++
	if ev.meta.TimeClamped {
		c.Clamped++
	}
	if !c.HasNewest || ev.order.Time > c.Newest {
		c.Newest, c.HasNewest = ev.order.Time, true
	}
	ev.meta = nil // it is the batch's loop's
	p.events = append(p.events, *ev)
	p.itemIDs, p.userIDs = append(p.itemIDs, s.Item), append(p.userIDs, s.User)
	if n+1 == maxPending {
		return e.perform()
	}
	return nil
}

// perform applies what was gathered.
func (e *Engine) perform() error {
	p := &e.pending
	if p.item == nil {
		p.item = func() { p.errs[0] = e.signals(id.KindItem, p.itemIDs, e.items.applyItem) }
		p.user = func() { p.errs[1] = e.signals(id.KindUser, p.userIDs, e.applyUserOf) }
	}
	if e.cfg.Both != nil && len(p.events) >= minPending {
		e.cfg.Both(p.item, p.user)
	} else {
		p.item()
		p.user()
	}
	p.events, p.itemIDs, p.userIDs = p.events[:0], p.itemIDs[:0], p.userIDs[:0]
	return errors.Join(p.errs[:]...)
}

// signals applies what was gathered to the owners of one kind, whose ids are given.
func (e *Engine) signals(kind id.Kind, ids []string, apply func(*event, *record.Signal) error) error {
	p := &e.pending
	for i := range p.events {
		if i%state.AheadMost == 0 && len(p.events) >= minPending {
			e.table.Ahead(kind, ids[i:])
		}
		if err := apply(&p.events[i], &p.signals[i]); err != nil {
			return fmt.Errorf("signal at %v: %w", p.events[i].position, err)
		}
	}
	return nil
}

// applyUserOf applies a signal to its user, if it has one.
func (e *Engine) applyUserOf(ev *event, s *record.Signal) error {
	if s.User == "" {
		return nil
	}
	return e.users.applyUser(ev, s)
}
