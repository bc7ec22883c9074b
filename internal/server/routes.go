package server

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// Parameters that several paths have.
func pageParams() []param {
	return []param{
		{name: "after", about: "where the page begins: the next of the page before"},
		{name: "limit", about: "the length of the page, 1 to 10,000; 100 if it is left out", kind: paramInt},
	}
}

var paramAt = param{name: "at", about: "the time to read at: RFC 3339, a date, or Unix seconds; now if it is left out", kind: paramTime}

// allRoutes is the table of paths. The document at /openapi.json is made of it.
func (s *Server) allRoutes() []*route {
	x, a := &service{s: s}, &adminService{s: s}
	var all []*route
	for _, group := range [][]*route{
		entityRoutes(x), relationRoutes(x), signalRoutes(x), listRoutes(x), sessionRoutes(x), databaseRoutes(x, a), exportRoutes(a), clusterRoutes(a), adminRoutes(a), documentRoutes(),
	} {
		all = append(all, group...)
	}
	for _, r := range all {
		r.server = s
		if r.status == 0 {
			r.status = http.StatusOK
		}
	}
	return all
}

// written is the handle of a path that writes one record.
func written(x *service, read func(*input) (*tidalpb.Record, error)) handle {
	return unary(func(in *input) (*tidalpb.WriteRequest, error) {
		r, err := read(in)
		return &tidalpb.WriteRequest{Records: []*tidalpb.Record{r}}, err
	}, x.Write)
}

const writeProcedure = tidalpbconnect.TidalWriteProcedure

func entityRoutes(x *service) []*route {
	var out []*route
	for _, k := range []struct {
		word string
		kind tidalpb.Kind
		one  string
	}{
		{"items", tidalpb.Kind_KIND_ITEM, "an item"},
		{"users", tidalpb.Kind_KIND_USER, "a user"},
		{"creators", tidalpb.Kind_KIND_CREATOR, "a creator"},
	} {
		kind, all, one := k.kind, "/v1/"+k.word, "/v1/"+k.word+"/{id}"
		out = append(
			out,
			&route{
				method: "GET", path: all, procedure: tidalpbconnect.TidalListProcedure, query: pageParams(),
				summary: "Existing " + k.word + ", page by page.",
				handle: unary(func(in *input) (*tidalpb.ListRequest, error) {
					return &tidalpb.ListRequest{Kind: kind, After: in.text("after"), Limit: int32(in.int("limit"))}, nil
				}, x.List),
			},
			&route{
				method: "GET", path: one, procedure: tidalpbconnect.TidalGetProcedure, summary: "Reads " + k.one + ".",
				handle: unary(func(in *input) (*tidalpb.GetRequest, error) {
					return &tidalpb.GetRequest{Kind: kind, Id: in.id("id")}, nil
				}, x.Get),
			},
			&route{
				method: "PUT", path: one, procedure: writeProcedure, body: bodyFields,
				summary: "Sets " + k.one + "; fields that aren't named are gone.",
				handle: written(x, func(in *input) (*tidalpb.Record, error) {
					fields, err := in.fields()
					put := &tidalpb.Put{Kind: kind, Id: in.id("id"), FieldsJson: fields}
					return &tidalpb.Record{Record: &tidalpb.Record_Put{Put: put}}, err
				}),
			},
			&route{
				method: "PATCH", path: one, procedure: writeProcedure, body: bodyFields,
				summary: "Changes the fields named of " + k.one + "; null clears a field.",
				handle: written(x, func(in *input) (*tidalpb.Record, error) {
					fields, err := in.fields()
					patch := &tidalpb.Patch{Kind: kind, Id: in.id("id"), FieldsJson: fields}
					return &tidalpb.Record{Record: &tidalpb.Record_Patch{Patch: patch}}, err
				}),
			},
			&route{
				method: "DELETE", path: one, procedure: writeProcedure,
				summary: "Removes " + k.one + " with everything that was counted for it.",
				handle: written(x, func(in *input) (*tidalpb.Record, error) {
					del := &tidalpb.Delete{Kind: kind, Id: in.id("id")}
					return &tidalpb.Record{Record: &tidalpb.Record_Delete{Delete: del}}, nil
				}),
			},
		)
	}
	return append(
		out,
		&route{
			method: "POST", path: "/v1/users/{id}:erase", procedure: writeProcedure,
			summary: "Removes everything that is known of a user. The receipt says when the log has forgotten them, too.",
			handle: written(x, func(in *input) (*tidalpb.Record, error) {
				return &tidalpb.Record{Record: &tidalpb.Record_Erase{Erase: &tidalpb.Erase{User: in.id("id")}}}, nil
			}),
		},
		&route{
			method: "GET", path: "/v1/users/{id}/state", procedure: tidalpbconnect.TidalUserProcedure, query: pageParams(),
			summary: "What is known of a user: fields, what they met last, and, page by page, what they decided about items and creators.",
			handle: unary(func(in *input) (*tidalpb.UserRequest, error) {
				return &tidalpb.UserRequest{User: in.id("id"), After: in.text("after"), Limit: int32(in.int("limit"))}, nil
			}, x.User),
		},
	)
}

// onOff makes the two routes that set something and take it back.
func onOff(path, set, clear string, x *service, read func(in *input, off bool) (*tidalpb.Record, error)) []*route {
	at := func(method, summary string, off bool) *route {
		return &route{
			method: method, path: path, procedure: writeProcedure, summary: summary,
			handle: written(x, func(in *input) (*tidalpb.Record, error) { return read(in, off) }),
		}
	}
	return []*route{at("PUT", set, false), at("DELETE", clear, true)}
}

func relationRoutes(x *service) []*route {
	var out []*route
	for _, k := range []struct {
		relation    tidalpb.Relation
		word        string
		target, how string
	}{
		{tidalpb.Relation_RELATION_HIDES, "hides", "item", "an item from a user: no list shows it to them"},
		{tidalpb.Relation_RELATION_MUTES, "mutes", "creator", "a creator for a user: no list shows them their items"},
		{tidalpb.Relation_RELATION_BLOCKS, "blocks", "creator", "a creator for a user: no list shows them their items"},
		{tidalpb.Relation_RELATION_FOLLOWS, "follows", "creator", "a creator for a user"},
	} {
		verb := map[string]string{"hides": "Hides ", "mutes": "Mutes ", "blocks": "Blocks ", "follows": "Follows "}[k.word]
		out = append(out, onOff("/v1/users/{user}/"+k.word+"/{"+k.target+"}", verb+k.how+".", "Takes back that "+k.word+".", x,
			func(in *input, off bool) (*tidalpb.Record, error) {
				r := &tidalpb.Relate{User: in.id("user"), Relation: k.relation, Target: in.id(k.target), Off: off}
				return &tidalpb.Record{Record: &tidalpb.Record_Relate{Relate: r}}, nil
			})...)
	}
	out = append(out, onOff("/v1/users/{user}/marks/{mark}/{item}",
		"Sets a mark (liked, saved or in_progress) of a user on an item, without counting as a signal.", "Clears the mark.", x,
		func(in *input, off bool) (*tidalpb.Record, error) {
			mark, err := markOf(in.word("mark"))
			r := &tidalpb.SetMark{User: in.id("user"), Item: in.id("item"), Mark: mark, Off: off}
			return &tidalpb.Record{Record: &tidalpb.Record_SetMark{SetMark: r}}, err
		})...)
	out = append(out, onOff("/v1/users/{user}/collections/{name}/items/{item}",
		"Puts an item into one of a user's collections.", "Takes the item out.", x,
		func(in *input, off bool) (*tidalpb.Record, error) {
			r := &tidalpb.Collect{User: in.id("user"), Collection: in.word("name"), Item: in.id("item"), Off: off}
			return &tidalpb.Record{Record: &tidalpb.Record_Collect{Collect: r}}, nil
		})...)
	return append(
		out,
		&route{
			method: "GET", path: "/v1/users/{user}/collections", procedure: tidalpbconnect.TidalCollectionsProcedure,
			summary: "A user's collections.",
			handle: unary(func(in *input) (*tidalpb.CollectionsRequest, error) {
				return &tidalpb.CollectionsRequest{User: in.id("user")}, nil
			}, x.Collections),
		},
		&route{
			method: "GET", path: "/v1/users/{user}/collections/{name}", procedure: tidalpbconnect.TidalCollectionProcedure,
			query: pageParams(), summary: "The items of a collection, page by page, the one that was put there last first.",
			handle: unary(func(in *input) (*tidalpb.CollectionRequest, error) {
				return &tidalpb.CollectionRequest{
					User: in.id("user"), Name: in.word("name"), After: in.text("after"), Limit: int32(in.int("limit")),
				}, nil
			}, x.Collection),
		},
	)
}

func signalRoutes(x *service) []*route {
	return []*route{
		{
			method: "POST", path: "/v1/signals", procedure: writeProcedure, body: bodySignals,
			query: []param{
				{name: "lane", about: "of lines: the lane that they are written under, so that the same body can be sent again"},
				{name: "number", about: "of lines: the number of the first request of the lane; 1 if it is left out", kind: paramInt},
				{name: "batch", about: "of lines: how many make a request, 1 to 1,000; 100 if it is left out", kind: paramInt},
			},
			summary: "Writes a signal, several as one request, or, as lines of JSON, any number.",
			handle:  signalsHandle(x),
		},
		{
			method: "POST", path: "/v1/signals:undo", procedure: writeProcedure, body: bodyMessage,
			message: (&tidalpb.Undo{}).ProtoReflect().Descriptor(),
			summary: "Takes an event's counts back, once. It is named by its position, by its key, or by the lane and number of its request.",
			handle: written(x, func(in *input) (*tidalpb.Record, error) {
				undo := &tidalpb.Undo{}
				return &tidalpb.Record{Record: &tidalpb.Record_Undo{Undo: undo}}, in.message(undo)
			}),
		},
		{
			method: "GET", path: "/v1/lanes/{lane}", procedure: tidalpbconnect.TidalLaneProcedure,
			summary: "How far a lane has come.",
			handle: unary(func(in *input) (*tidalpb.LaneRequest, error) {
				return &tidalpb.LaneRequest{Lane: in.word("lane")}, nil
			}, x.Lane),
		},
		{
			method: "GET", path: "/v1/items/{item}/signals/{type}", procedure: tidalpbconnect.TidalCellProcedure,
			query:   []param{paramAt, {name: "cohort", about: "what this cohort sent alone"}},
			summary: "What was counted for an item under a signal type.",
			handle: unary(func(in *input) (*tidalpb.CellRequest, error) {
				return &tidalpb.CellRequest{Item: in.id("item"), Type: in.word("type"), Cohort: in.text("cohort"), At: in.time("at")}, nil
			}, x.Cell),
		},
		{
			method: "GET", path: "/v1/top/{type}", procedure: tidalpbconnect.TidalTopProcedure,
			query: []param{
				paramAt,
				{name: "half_life", about: "one of the type's, such as 7d; its first if it is left out"},
				{name: "limit", about: "1 to 10,000; 10 if it is left out", kind: paramInt},
			},
			summary: "The items with the highest decayed scores of a signal type.",
			handle: unary(func(in *input) (*tidalpb.TopRequest, error) {
				return &tidalpb.TopRequest{
					Type: in.word("type"), HalfLife: in.text("half_life"), At: in.time("at"), Limit: int32(in.int("limit")),
				}, nil
			}, x.Top),
		},
	}
}

func listRoutes(x *service) []*route {
	more := []param{
		{name: "with_cursor", about: "answer with a cursor; implied where the query has one", kind: paramBool},
		{name: "with_as_of", about: "answer with as_of", kind: paramBool},
	}
	text := append([]param{{name: "q", about: "the query in the text form, such as RANK items FOR USER \"ada\"", required: true}}, more...)
	fromText := func(in *input) (*tidalpb.RankRequest, error) {
		return &tidalpb.RankRequest{
			Query:      &tidalpb.RankRequest_Text{Text: in.text("q")},
			WithCursor: in.bool("with_cursor"), WithAsOf: in.bool("with_as_of"),
		}, nil
	}
	fromBody := func(in *input) (*tidalpb.RankRequest, error) {
		data, err := in.read(typeJSON)
		if err == nil && len(data) == 0 {
			err = malformed("the body is empty; a query in JSON is expected")
		}
		return &tidalpb.RankRequest{
			Query:      &tidalpb.RankRequest_Json{Json: string(data)},
			WithCursor: in.bool("with_cursor"), WithAsOf: in.bool("with_as_of"),
		}, err
	}
	explained := func(read func(*input) (*tidalpb.RankRequest, error)) func(*input) (*tidalpb.ExplainRequest, error) {
		return func(in *input) (*tidalpb.ExplainRequest, error) {
			r, err := read(in)
			return &tidalpb.ExplainRequest{Rank: r}, err
		}
	}
	return []*route{
		{
			method: "POST", path: "/v1/rank", procedure: tidalpbconnect.TidalRankProcedure, body: bodyQuery, query: more,
			summary: "What should be shown, to whom, in which order; the query in its JSON form.",
			handle:  unary(fromBody, x.Rank),
		},
		{
			method: "GET", path: "/v1/rank", procedure: tidalpbconnect.TidalRankProcedure, query: text,
			summary: "The same with the query in its text form.", handle: unary(fromText, x.Rank),
		},
		{
			method: "POST", path: "/v1/explain", procedure: tidalpbconnect.TidalExplainProcedure, body: bodyQuery, query: more,
			summary: "How a query is answered, and every term of every score.", handle: unary(explained(fromBody), x.Explain),
		},
		{
			method: "GET", path: "/v1/explain", procedure: tidalpbconnect.TidalExplainProcedure, query: text,
			summary: "The same with the query in its text form.", handle: unary(explained(fromText), x.Explain),
		},
		{
			method: "GET", path: "/v1/suggest", procedure: tidalpbconnect.TidalSuggestProcedure,
			query: []param{
				{name: "field", about: "a field of items of type keyword or tags", required: true},
				{name: "prefix", about: "what the values begin with; upper and lower case differ"},
				{name: "limit", about: "1 to 100; 10 if it is left out", kind: paramInt},
			},
			summary: "The values of a field that begin with a prefix, those first that most items have.",
			handle: unary(func(in *input) (*tidalpb.SuggestRequest, error) {
				return &tidalpb.SuggestRequest{Field: in.text("field"), Prefix: in.text("prefix"), Limit: int32(in.int("limit"))}, nil
			}, x.Suggest),
		},
	}
}

func databaseRoutes(x *service, a *adminService) []*route {
	return []*route{
		{
			method: "GET", path: "/v1/schema", procedure: tidalpbconnect.TidalSchemaProcedure, summary: "The schema.",
			handle: unary(empty[*tidalpb.SchemaRequest], x.Schema),
		},
		{
			method: "POST", path: "/v1/schema", procedure: tidalpbconnect.AdminExtendSchemaProcedure, body: bodySchema,
			summary: "Enters what a schema adds; the body is the whole schema in YAML or JSON.",
			handle: unary(func(in *input) (*tidalpb.ExtendSchemaRequest, error) {
				data, err := in.read(typeYAML, typeJSON)
				if err == nil && len(data) == 0 {
					err = malformed("the body is empty; a schema is expected")
				}
				return &tidalpb.ExtendSchemaRequest{Document: string(data)}, err
			}, a.ExtendSchema),
		},
		{
			method: "GET", path: "/v1/profiles", procedure: tidalpbconnect.TidalProfilesProcedure,
			summary: "The ways to rank that queries can name.", handle: unary(empty[*tidalpb.ProfilesRequest], x.Profiles),
		},
		{
			method: "GET", path: "/v1/cluster", procedure: tidalpbconnect.TidalClusterProcedure,
			summary: "Which replicas keep the database together, who leads, and how far each is.",
			handle:  unary(empty[*tidalpb.ClusterRequest], x.Cluster),
		},
		{
			method: "GET", path: "/v1/stats", procedure: tidalpbconnect.TidalStatsProcedure,
			summary: "How much the database holds.", handle: unary(empty[*tidalpb.StatsRequest], x.Stats),
		},
	}
}

// empty reads a request that says nothing.
func empty[Req proto.Message](*input) (Req, error) {
	var none Req
	return none.ProtoReflect().New().Interface().(Req), nil
}

func clusterRoutes(a *adminService) []*route {
	return []*route{
		{
			method: "POST", path: "/v1/cluster/remove", procedure: tidalpbconnect.AdminRemoveMemberProcedure,
			body: bodyMessage, message: (&tidalpb.RemoveMemberRequest{}).ProtoReflect().Descriptor(),
			summary: "Takes a replica out of the group, for ever; with force also where too few of the others answer.",
			handle: unary(func(in *input) (*tidalpb.RemoveMemberRequest, error) {
				m := &tidalpb.RemoveMemberRequest{}
				return m, in.message(m)
			}, a.RemoveMember),
		},
		{
			method: "POST", path: "/v1/cluster/transfer", procedure: tidalpbconnect.AdminTransferLeadershipProcedure,
			body: bodyMessage, message: (&tidalpb.TransferLeadershipRequest{}).ProtoReflect().Descriptor(),
			summary: "Has another replica lead: the one with the number to, or the one that has most of the log.",
			handle: unary(func(in *input) (*tidalpb.TransferLeadershipRequest, error) {
				m := &tidalpb.TransferLeadershipRequest{}
				return m, in.message(m)
			}, a.TransferLeadership),
		},
		{
			method: "POST", path: "/v1/cluster/regions/{region}:promote", procedure: tidalpbconnect.AdminPromoteRegionProcedure,
			summary: "Makes a region the home region.",
			handle: unary(func(in *input) (*tidalpb.PromoteRegionRequest, error) {
				return &tidalpb.PromoteRegionRequest{Region: in.word("region")}, nil
			}, a.PromoteRegion),
		},
		{
			method: "POST", path: "/v1/cluster/regions/{region}:forget", procedure: tidalpbconnect.AdminRemoveRegionProcedure,
			query:   []param{{name: "successor", about: "the region that stands in for it; the home region if none is named", kind: paramText}},
			summary: "Takes a region out, for ever; the home region has to be reached.",
			handle: unary(func(in *input) (*tidalpb.RemoveRegionRequest, error) {
				return &tidalpb.RemoveRegionRequest{Region: in.word("region"), Successor: in.text("successor")}, nil
			}, a.RemoveRegion),
		},
	}
}

func adminRoutes(a *adminService) []*route {
	return []*route{
		{
			method: "POST", path: "/v1/admin/checkpoint", procedure: tidalpbconnect.AdminCheckpointProcedure,
			summary: "Makes durable, beside the log, what everything written so far amounts to.",
			handle:  unary(empty[*tidalpb.CheckpointRequest], a.Checkpoint),
		},
		{
			method: "POST", path: "/v1/admin/backup", procedure: tidalpbconnect.AdminBackupProcedure,
			query:   []param{{name: "without_log", about: "leave out the log, which exports and undos need", kind: paramBool}},
			summary: "A consistent copy of the database, taken while it serves; tidal restore reads it.",
			handle:  handle{stream: backupBytes, produces: typeBytes},
		},
		{
			method: "POST", path: "/v1/admin/rotate-signing-keys", procedure: tidalpbconnect.AdminRotateSigningKeysProcedure,
			summary: "Makes a new key that seals tokens, cursors and references; what older ones sealed is read for 90 more days.",
			handle:  unary(empty[*tidalpb.RotateSigningKeysRequest], a.RotateSigningKeys),
		},
		{
			method: "GET", path: "/v1/admin/digest", procedure: tidalpbconnect.AdminDigestProcedure,
			summary: "The hash of all replicated state.", handle: unary(empty[*tidalpb.DigestRequest], a.Digest),
		},
		{
			method: "GET", path: "/v1/admin/keys", procedure: tidalpbconnect.AdminListApiKeysProcedure,
			summary: "The API keys, without their secrets.", handle: unary(empty[*tidalpb.ListApiKeysRequest], a.ListApiKeys),
		},
		{
			method: "POST", path: "/v1/admin/keys", procedure: tidalpbconnect.AdminCreateApiKeyProcedure, status: http.StatusCreated,
			body: bodyMessage, message: (&tidalpb.CreateApiKeyRequest{}).ProtoReflect().Descriptor(),
			summary: "Makes an API key. The answer is the only one that ever holds its secret.",
			handle: unary(func(in *input) (*tidalpb.CreateApiKeyRequest, error) {
				m := &tidalpb.CreateApiKeyRequest{}
				return m, in.message(m)
			}, a.CreateApiKey),
		},
		{
			method: "DELETE", path: "/v1/admin/keys/{id}", procedure: tidalpbconnect.AdminRevokeApiKeyProcedure,
			summary: "Makes an API key worthless.",
			handle: unary(func(in *input) (*tidalpb.RevokeApiKeyRequest, error) {
				return &tidalpb.RevokeApiKeyRequest{Id: in.word("id")}, nil
			}, a.RevokeApiKey),
		},
	}
}
