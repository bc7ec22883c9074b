package server

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// Regions is what a server asks of the regions of its database. Its methods may be called several at once.
type Regions interface {
	// Region is the name of the region that this server is of, "" where there never was a second one. It is asked for every
	// answer, and must be quick.
	Region() string
	// Status says which regions there are, as this replica knows it: none where there never was a second one.
	Status() []tidal.RegionStatus
	// Promote makes a region the home region.
	Promote(ctx context.Context, name string) error
	// Remove takes a region out for ever, another one standing in for it, which is the home region if it isn't named.
	Remove(ctx context.Context, name, successor string) error
}

// headerRegion names the region of a server, in every answer where there are several.
const headerRegion = "Tidal-Region"

// introduceRegion tells the caller whose region answers, so that it knows who else is of that region.
func (s *Server) introduceRegion(h http.Header) {
	if s.regions == nil {
		return
	}
	if name := s.regions.Region(); name != "" {
		h.Set(headerRegion, name)
	}
}

// addRegions puts the regions into what is said of the group.
func (s *Server) addRegions(out *tidalpb.ClusterResponse) {
	if s.regions == nil {
		return
	}
	now, all := s.now(), s.regions.Status()
	for i := range all {
		if all[i].Own {
			out.Region = all[i].Name
		}
		out.Regions = append(out.Regions, regionMessage(&all[i], now))
	}
}

func regionMessage(r *tidal.RegionStatus, now time.Time) *tidalpb.Region {
	m := &tidalpb.Region{
		Name: r.Name, Number: int64(r.Number), Role: string(r.Role), Self: r.Own, Unreachable: r.Unreachable, Addresses: r.Addresses,
		Urls: r.URLs, Successor: r.Successor,
	}
	if r.Own {
		m.Vector = r.Vector.String()
	}
	if r.Own || r.Role == tidal.RegionRemoved {
		return m
	}
	m.WeLack, m.TheyLack, m.Vector, m.Source = lagMessage(&r.WeLack), lagMessage(&r.TheyLack), r.Vector.String(), r.Source
	m.Done, m.Total, m.Refused = r.Done, r.Total, make(map[string]int64, len(r.Refused))
	for cause, n := range r.Refused {
		m.Refused[cause] = int64(n)
	}
	m.Sent, m.Taken, m.HeldBytes, m.Stranded = flowMessage(&r.Sent), flowMessage(&r.Taken), r.Held, r.TooFarBehind
	for _, p := range r.Forked {
		m.DiffersAt = append(m.DiffersAt, p.String())
	}
	if r.Known {
		m.Heard = timestamppb.New(now.Add(-r.Heard))
	}
	return m
}

func flowMessage(f *tidal.Flow) *tidalpb.Flow {
	return &tidalpb.Flow{Batches: int64(f.Batches), Ranges: int64(f.Ranges), Bytes: int64(f.Bytes)}
}

func lagMessage(l *tidal.Lag) *tidalpb.Lag {
	return &tidalpb.Lag{Batches: int64(l.Batches), Events: int64(l.Events), TimeUs: micros(l.Time)}
}

// PromoteRegion is in the schema's words.
func (x *adminService) PromoteRegion(
	ctx context.Context, m *tidalpb.PromoteRegionRequest,
) (*tidalpb.PromoteRegionResponse, error) {
	if err := x.inRegions("region", m.GetRegion()); err != nil {
		return nil, err
	}
	if err := x.s.regions.Promote(ctx, m.GetRegion()); err != nil {
		return nil, err
	}
	return &tidalpb.PromoteRegionResponse{}, nil
}

// RemoveRegion is in the schema's words.
func (x *adminService) RemoveRegion(
	ctx context.Context, m *tidalpb.RemoveRegionRequest,
) (*tidalpb.RemoveRegionResponse, error) {
	if err := x.inRegions("region", m.GetRegion()); err != nil {
		return nil, err
	}
	if m.GetSuccessor() == m.GetRegion() {
		return nil, fault.Refuse("successor", "is the region that is to be removed; name another one")
	}
	if err := x.s.regions.Remove(ctx, m.GetRegion(), m.GetSuccessor()); err != nil {
		return nil, err
	}
	return &tidalpb.RemoveRegionResponse{}, nil
}

// inRegions refuses a change of regions that can't be made here.
func (x *adminService) inRegions(field, name string) error {
	if name == "" {
		return fault.Refuse(field, "is empty; the name of a region is meant, such as eu-west")
	}
	if x.s.group == nil || x.s.regions == nil {
		return errAlone()
	}
	return x.s.lead(true)
}
