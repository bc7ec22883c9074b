package replica

import (
	"slices"
	"strconv"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// allowed refuses what the own region's role doesn't let it write: everything of clients in a region that follows, and what
// home alone says. The role is what the region table says at the moment, so a promotion counts from its entry on; what is in
// the request that makes the region home is home's already.
func (c *Core) allowed(w *waiting) error {
	role := c.engine.Role()
	if role == engine.RoleHome || w.takesBack.Seq != 0 || role != engine.RoleRemoved && c.promotes(w) {
		return nil
	}
	for i := range w.Records {
		switch kind := w.Records[i].Kind; {
		case kind == record.KindHome, kind == record.KindEndpoints && role != engine.RoleRemoved:
		case kind == record.KindRegion && role.Writes():
			return fault.At(i, fault.Refuse("region", "is told of in the home region %q alone", c.regionName(c.engine.Home())))
		case !role.Writes():
			return c.readOnly()
		}
	}
	return nil
}

// promotes reports whether a request makes the own region home.
func (c *Core) promotes(w *waiting) bool {
	return slices.ContainsFunc(w.Records, func(p record.Proposed) bool {
		return p.Kind == record.KindHome && p.Home.Number == c.cfg.Origin.Region
	})
}

// readOnly says where to write instead.
func (c *Core) readOnly() error {
	e := &fault.ReadOnly{Region: c.regionName(c.cfg.Origin.Region), Home: c.regionName(c.engine.Home())}
	if home, ok := c.engine.Region(c.engine.Home()); ok {
		for _, m := range home.Endpoints {
			if e.URL = m.URL; e.URL != "" {
				break
			}
		}
	}
	return e
}

func (c *Core) regionName(n id.Region) string {
	r, ok := c.engine.Region(n)
	if !ok || r.Name == "" {
		return strconv.Itoa(int(n))
	}
	return r.Name
}
