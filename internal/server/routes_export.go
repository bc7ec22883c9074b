package server

import (
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

func exportRoutes(a *adminService) []*route {
	bounds := []param{
		{name: "from", about: "the events' own time, from here on: RFC 3339, a date, or Unix seconds", kind: paramTime},
		{name: "to", about: "and before here; one of the two is needed", kind: paramTime},
		{name: "types", about: "signal types, separated by commas; all if it is left out", kind: paramList},
		{name: "user", about: "the events of this user"},
		{name: "item", about: "the events with this item"},
		{name: "session", about: "the events of this session"},
		{name: "cursor", about: "goes on behind the event that had it"},
		{name: "limit", about: "how many events at most", kind: paramInt},
		{name: "with_undone", about: "events that were undone, too", kind: paramBool},
	}
	named := append(bounds[:len(bounds):len(bounds)],
		param{name: "name", about: "makes it a named export, for which the log stays; that needs the role write"})
	lines := handle{stream: exportLines, produces: typeLines}
	return []*route{
		{
			method: "GET", path: "/v1/export", procedure: tidalpbconnect.TidalExportProcedure, query: bounds,
			summary: "What the log holds, an event a line, in its order. Trailers say how it ended.", handle: lines,
		},
		{
			method: "POST", path: "/v1/export", procedure: tidalpbconnect.TidalExportProcedure, query: named,
			summary: "The same, also as a named export.", handle: lines,
		},
		{
			method: "GET", path: "/v1/admin/exports", procedure: tidalpbconnect.AdminListExportsProcedure,
			summary: "The named exports.", handle: unary(empty[*tidalpb.ListExportsRequest], a.ListExports),
		},
		{
			method: "POST", path: "/v1/admin/exports/{name}:advance", procedure: tidalpbconnect.AdminAdvanceExportProcedure,
			query:   []param{{name: "cursor", about: "what lies before it isn't needed any more", required: true}},
			summary: "Moves a named export on.",
			handle: unary(func(in *input) (*tidalpb.AdvanceExportRequest, error) {
				return &tidalpb.AdvanceExportRequest{Name: in.word("name"), Cursor: in.text("cursor")}, nil
			}, a.AdvanceExport),
		},
		{
			method: "DELETE", path: "/v1/admin/exports/{name}", procedure: tidalpbconnect.AdminDropExportProcedure,
			summary: "Forgets a named export: the log waits for it no longer.",
			handle: unary(func(in *input) (*tidalpb.DropExportRequest, error) {
				return &tidalpb.DropExportRequest{Name: in.word("name")}, nil
			}, a.DropExport),
		},
	}
}
