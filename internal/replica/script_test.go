package replica_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// TestScripts runs the stories of testdata/one: commands, and the picture that each of them gives. -rewrite writes the
// pictures anew. After every command the lifecycle must be legal.
//
//	new     [max-uncommitted=n] [max-waiting=n] [follower]  a group of one that leads and has a schema
//	time    ms=n                          set the wall clock
//	propose                               one request a line:
//	                                      [lane=a/1] [key=k] [token=t] [old-schema] RECORD; RECORD …
//	flush, persist [n], apply [n], run    steps
//	restart [kept=n] [torn] [lead]        crash; n of the appends under way reach the disk, the next one torn
//	campaign, stop                        events
//	life                                  transitions since the last life, new or restart
//	state                                 what the engine holds
//
// Records: view|like|hide USER ITEM [@ms] [by=creator]; put|patch ITEM [creator=c] [title=t]; delete KIND ID;
// erase USER; mute USER CREATOR [off]; unhide USER ITEM; mark|unmark USER ITEM; undo SEQ; negate POSITION;
// region NUMBER NAME [follower]; home NUMBER; endpoint NUMBER URL.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/one", func(t *testing.T, path string) {
		s := &script{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if s.rig != nil {
				s.tb = t
				s.said.Reset()
			}
			if err := s.step(t, d); err != nil {
				fmt.Fprintf(&s.said, "error: %v\n", err)
			}
			return s.said.String()
		})
	})
}

type script struct {
	*rig
	told int // lifecycle lines that were printed
}

func (s *script) step(t *testing.T, d *datadriven.TestData) error {
	n := 1
	d.MaybeScanArgs(t, "n", &n)
	switch d.Cmd {
	case "new":
		s.create(t, d)
	case "time":
		d.ScanArgs(t, "ms", &s.wall)
	case "propose":
		for _, line := range strings.Split(d.Input, "\n") {
			req, err := s.parse(line)
			if err != nil {
				return err
			}
			s.propose(req)
		}
	case "flush":
		s.flush()
	case "persist":
		for range n {
			if err := s.persist(); err != nil {
				return err
			}
		}
	case "apply":
		for range n {
			if err := s.apply(); err != nil {
				return err
			}
		}
	case "run":
		s.run()
	case "restart":
		kept := 0
		d.MaybeScanArgs(t, "kept", &kept)
		s.restart(kept, d.HasArg("torn"))
		s.told = 0
		if d.HasArg("lead") {
			s.lead()
		}
	case "campaign":
		s.check(s.core.Campaign(s.now()))
		s.take()
	case "stop":
		s.core.Stop(s.now(), errStop)
		s.take()
	case "life":
		lines := strings.SplitAfter(s.events.String(), "\n")
		s.said.WriteString(strings.Join(lines[s.told:], ""))
		s.told = len(lines) - 1
	case "state":
		c := s.engine.Counters()
		fmt.Fprintf(&s.said, "vector=%v highest=%v signals=%d clamped=%d stale=%d\n",
			s.engine.Vector(), s.engine.HighestOwn(), c.Signals, c.Clamped, c.Stale)
	default:
		return fmt.Errorf("unknown command %q", d.Cmd)
	}
	return nil
}

var errStop = fmt.Errorf("the story ends: %w", fault.ErrClosed)

func (s *script) create(t *testing.T, d *datadriven.TestData) {
	change := func(c *replica.Config) {
		d.MaybeScanArgs(t, "max-uncommitted", &c.Consensus.MaxUncommitted)
		d.MaybeScanArgs(t, "max-waiting", &c.MaxWaiting)
	}
	if d.HasArg("follower") {
		s.rig = newRig(t, change)
		return
	}
	s.rig = leading(t, change)
	s.said.Reset()
	s.told = strings.Count(s.events.String(), "\n")
}

// parse reads one request.
func (s *script) parse(line string) (*replica.Request, error) {
	req := &replica.Request{}
	_, req.Schema = s.engine.Schema()
	key := ""
	words := strings.Fields(line)
	for len(words) > 0 {
		name, v, _ := strings.Cut(words[0], "=")
		switch name {
		case "lane":
			producer, number, _ := strings.Cut(v, "/")
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				return nil, err
			}
			req.Producer, req.Number = producer, n
		case "key":
			key = v
		case "token":
			stamp, err := hlc.Parse(v)
			if err != nil {
				return nil, err
			}
			req.Token = stamp
		case "old-schema":
			req.Schema = schema.Hash{1}
		default:
			return req, s.parseRecords(req, strings.Join(words, " "), key)
		}
		words = words[1:]
	}
	return nil, fmt.Errorf("no records in %q", line)
}

func (s *script) parseRecords(req *replica.Request, text, key string) error {
	for _, part := range strings.Split(text, ";") {
		p, err := s.parseRecord(strings.Fields(part))
		if err != nil {
			return err
		}
		p.Key = key
		req.Records = append(req.Records, p)
	}
	req.Content = record.ContentHash(req.Records)
	return nil
}

func (s *script) parseRecord(words []string) (record.Proposed, error) {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch arg(0) {
	case "view", "like", "hide":
		return parseSignal(map[string]uint16{"view": 0, "like": 1, "hide": 2}[arg(0)], words)
	case "put", "patch":
		return parsePut(words), nil
	case "delete":
		kind, err := id.ParseKind(arg(1))
		return record.Proposed{Kind: record.KindDelete, Entity: record.Entity{Kind: kind, ID: arg(2)}}, err
	case "erase":
		return record.Proposed{Kind: record.KindErase, Erase: record.Erase{User: arg(1)}}, nil
	case "mute", "unhide":
		which, on := record.MuteCreator, arg(3) != "off"
		if arg(0) == "unhide" {
			which, on = record.HideItem, false
		}
		return record.Proposed{Kind: record.KindRelation, Relation: record.Relation{
			Which: which, On: on, User: arg(1), Target: arg(2),
		}}, nil
	case "mark", "unmark":
		return record.Proposed{Kind: record.KindMark, Mark: record.Mark{
			Which: record.MarkLiked, On: arg(0) == "mark", User: arg(1), Item: arg(2),
		}}, nil
	case "negate":
		p, err := id.ParsePosition(arg(1))
		return record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: p}}, err
	case "region":
		n, err := strconv.ParseUint(arg(1), 10, 16)
		return record.Proposed{Kind: record.KindRegion, Region: record.RegionInfo{
			Number: id.Region(n), Name: arg(2), Follower: arg(3) == "follower",
		}}, err
	case "home":
		n, err := strconv.ParseUint(arg(1), 10, 16)
		return record.Proposed{Kind: record.KindHome, Home: record.Home{Number: id.Region(n)}}, err
	case "endpoint":
		n, err := strconv.ParseUint(arg(1), 10, 16)
		return record.Proposed{Kind: record.KindEndpoints, Endpoints: record.Endpoints{
			Number: id.Region(n), Members: []record.Endpoint{{Replica: 1, URL: arg(2)}},
		}}, err
	case "undo":
		n, err := strconv.ParseUint(arg(1), 10, 64)
		_, hash := s.engine.Schema()
		return undo(s.cfg.Origin.At(id.Seq(n)), signal(0, "u", "i").Signal, 1000, hash), err
	}
	return record.Proposed{}, fmt.Errorf("unknown record %q", words)
}

func parseSignal(kind uint16, words []string) (record.Proposed, error) {
	p := signal(kind, words[1], words[2])
	for _, w := range words[3:] {
		if at, ok := strings.CutPrefix(w, "@"); ok {
			ms, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				return p, err
			}
			p.Time, p.HasTime = ms, true
		}
		if by, ok := strings.CutPrefix(w, "by="); ok {
			p.Signal.Creator = by
		}
	}
	return p, nil
}

func parsePut(words []string) record.Proposed {
	p := record.Proposed{Kind: record.KindPut, Entity: record.Entity{Kind: id.KindItem, ID: words[1]}}
	if words[0] == "patch" {
		p.Kind = record.KindPatch
	}
	for _, w := range words[2:] {
		name, v, _ := strings.Cut(w, "=")
		f := record.Field{Name: name}
		if v != "" {
			f.Value = schema.String(v).Encode()
		}
		p.Entity.Fields = append(p.Entity.Fields, f)
	}
	return p
}
