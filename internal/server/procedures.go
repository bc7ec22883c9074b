package server

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"runtime/debug"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// procedure is what a method of a service needs beside its messages.
type procedure struct {
	path  string
	role  Role
	class class
}

// procedures are all methods. One that is missing here can't be reached; a test holds the list against the schema.
func procedures() []procedure {
	return []procedure{
		{tidalpbconnect.TidalWriteProcedure, Write, write},
		{tidalpbconnect.TidalStreamWritesProcedure, Write, write},
		{tidalpbconnect.TidalLaneProcedure, Read, free},
		{tidalpbconnect.TidalRankProcedure, Read, list},
		{tidalpbconnect.TidalExplainProcedure, Read, list},
		{tidalpbconnect.TidalSuggestProcedure, Read, free},
		{tidalpbconnect.TidalCellProcedure, Read, free},
		{tidalpbconnect.TidalTopProcedure, Read, free},
		{tidalpbconnect.TidalGetProcedure, Read, free},
		{tidalpbconnect.TidalListProcedure, Read, free},
		{tidalpbconnect.TidalUserProcedure, Read, free},
		{tidalpbconnect.TidalCollectionsProcedure, Read, free},
		{tidalpbconnect.TidalCollectionProcedure, Read, free},
		{tidalpbconnect.TidalStartSessionProcedure, Write, write},
		{tidalpbconnect.TidalWriteSessionProcedure, Write, write},
		{tidalpbconnect.TidalCloseSessionProcedure, Write, write},
		{tidalpbconnect.TidalGetSessionProcedure, Read, free},
		{tidalpbconnect.TidalListSessionsProcedure, Read, free},
		{tidalpbconnect.TidalSummariseSessionsProcedure, Read, free},
		{tidalpbconnect.TidalExportProcedure, Read, free},
		{tidalpbconnect.TidalSchemaProcedure, Read, free},
		{tidalpbconnect.TidalProfilesProcedure, Read, free},
		{tidalpbconnect.TidalStatsProcedure, Read, free},
		{tidalpbconnect.TidalClusterProcedure, Read, free},

		{tidalpbconnect.AdminExtendSchemaProcedure, Admin, free},
		{tidalpbconnect.AdminCheckpointProcedure, Admin, free},
		{tidalpbconnect.AdminDigestProcedure, Admin, free},
		{tidalpbconnect.AdminBackupProcedure, Admin, free},
		{tidalpbconnect.AdminRotateSigningKeysProcedure, Admin, free},
		{tidalpbconnect.AdminListExportsProcedure, Admin, free},
		{tidalpbconnect.AdminAdvanceExportProcedure, Admin, free},
		{tidalpbconnect.AdminDropExportProcedure, Admin, free},
		{tidalpbconnect.AdminCreateApiKeyProcedure, Admin, free},
		{tidalpbconnect.AdminListApiKeysProcedure, Admin, free},
		{tidalpbconnect.AdminRevokeApiKeyProcedure, Admin, free},
		{tidalpbconnect.AdminRemoveMemberProcedure, Admin, free},
		{tidalpbconnect.AdminTransferLeadershipProcedure, Admin, free},
		{tidalpbconnect.AdminPromoteRegionProcedure, Admin, free},
		{tidalpbconnect.AdminRemoveRegionProcedure, Admin, free},
	}
}

// streaming are the procedures that take or give more than one message.
func streaming(procedure string) bool {
	switch procedure {
	case tidalpbconnect.TidalStreamWritesProcedure, tidalpbconnect.TidalExportProcedure, tidalpbconnect.AdminBackupProcedure:
		return true
	}
	return false
}

// patient are the procedures that may take ten times as long as others: what they do grows with the database.
func patient(procedure string) bool {
	switch procedure {
	case tidalpbconnect.AdminCheckpointProcedure, tidalpbconnect.AdminDigestProcedure, tidalpbconnect.AdminExtendSchemaProcedure:
		return true
	}
	return false
}

// leading are the procedures that only a leader does. What administrators ask of one replica, such as a checkpoint, isn't
// among them.
func leading(procedure string) bool {
	switch procedure {
	case tidalpbconnect.TidalWriteProcedure, tidalpbconnect.TidalStartSessionProcedure, tidalpbconnect.TidalWriteSessionProcedure,
		tidalpbconnect.TidalCloseSessionProcedure, tidalpbconnect.AdminExtendSchemaProcedure,
		tidalpbconnect.AdminRotateSigningKeysProcedure, tidalpbconnect.AdminRemoveMemberProcedure,
		tidalpbconnect.AdminTransferLeadershipProcedure, tidalpbconnect.AdminPromoteRegionProcedure,
		tidalpbconnect.AdminRemoveRegionProcedure:
		return true
	}
	return false
}

// serveProcedures makes the endpoints of gRPC, gRPC-Web and Connect.
func (s *Server) serveProcedures() {
	opts := []connect.HandlerOption{
		connect.WithInterceptors(&explaining{s}),
		connect.WithCodec(strictJSON{}),
		connect.WithReadMaxBytes(int(s.limits.Body)),
		connect.WithCompressMinBytes(compressFrom),
		connect.WithCompression(encodingZstd, newZstdReader, newZstdWriter),
		connect.WithRecover(recoverProcedure),
	}
	s.rpcErrors = connect.NewErrorWriter(opts...)
	_, data := tidalpbconnect.NewTidalHandler(&service{s: s}, opts...)
	_, admin := tidalpbconnect.NewAdminHandler(&adminService{s: s}, opts...)
	s.procedures = map[string]*endpoint{}
	for _, p := range procedures() {
		handler := data
		if path.Dir(p.path) == "/"+tidalpbconnect.AdminName {
			handler = admin
		}
		s.procedures[p.path] = s.procedure(p, streaming(p.path), handler)
	}
	names := []string{tidalpbconnect.TidalName, tidalpbconnect.AdminName, grpchealth.HealthV1ServiceName}
	_, health := grpchealth.NewHandler(checker{s, names}, opts...)
	for _, method := range []string{"Check", "Watch"} {
		p := procedure{path: "/" + grpchealth.HealthV1ServiceName + "/" + method}
		s.procedures[p.path] = s.procedure(p, method == "Watch", health)
	}
	reflector := grpcreflect.NewStaticReflector(names...)
	_, v1 := grpcreflect.NewHandlerV1(reflector, opts...)
	_, alpha := grpcreflect.NewHandlerV1Alpha(reflector, opts...)
	for name, handler := range map[string]http.Handler{grpcreflect.ReflectV1ServiceName: v1, grpcreflect.ReflectV1AlphaServiceName: alpha} {
		p := procedure{path: "/" + name + "/ServerReflectionInfo", role: Read}
		s.procedures[p.path] = s.procedure(p, true, handler)
	}
}

func (s *Server) procedure(p procedure, stream bool, handler http.Handler) *endpoint {
	return &endpoint{
		name: p.path, role: p.role, class: p.class, stream: stream, patient: patient(p.path), leads: leading(p.path),
		serve: func(c *call) error {
			handler.ServeHTTP(c.w, c.r)
			c.learn()
			return nil
		},
		explain: func(c *call, err error) {
			if !s.rpcErrors.IsSupported(c.r) {
				c.explain(err)
				return
			}
			// Who went away can't be told.
			_ = s.rpcErrors.Write(c.w, c.r, s.rpcError(c, err))
		},
	}
}

// learn finds out what the library answered where it did so by itself: what isn't a message never comes to a method.
func (c *call) learn() {
	if c.err != nil {
		return
	}
	status := c.w.Header().Get("Grpc-Status")
	if status == "" {
		status = c.w.Header().Get(http.TrailerPrefix + "Grpc-Status")
	}
	switch {
	case c.w.status == http.StatusRequestEntityTooLarge:
		c.code = "too_large"
	case c.w.status == http.StatusUnsupportedMediaType:
		c.code = "media_type"
	case c.w.status == http.StatusMethodNotAllowed:
		c.code = "method"
	case c.w.status == http.StatusTooManyRequests || status == "8":
		c.code = "too_large" // that's what the library says of a message beyond the bound
	case c.w.status >= http.StatusBadRequest || status != "" && status != "0":
		c.code = "malformed"
	}
}

// explaining turns what methods return into errors with a Problem.
type explaining struct{ s *Server }

func (x *explaining) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		c := callOf(ctx)
		switch {
		case err == nil:
			c.seen()
		case leading(req.Spec().Procedure) && c.elsewhere(err):
			c.w.mute() // the leader's answer comes instead of this one
			return nil, connect.NewError(connect.CodeFailedPrecondition, err)
		default:
			return nil, x.s.rpcError(c, err)
		}
		return res, nil
	}
}

func (x *explaining) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if err := next(ctx, conn); err != nil {
			return x.s.rpcError(callOf(ctx), err)
		}
		return nil
	}
}

func (x *explaining) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// recoverProcedure makes an error of a panic, of which callers are told nothing.
func recoverProcedure(_ context.Context, _ connect.Spec, _ http.Header, v any) error {
	return fmt.Errorf("%w: panic: %v\n%s", errInternal, v, debug.Stack())
}

// checker answers grpc.health.v1.
type checker struct {
	s     *Server
	names []string
}

func (h checker) Check(_ context.Context, r *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	known := r.Service == ""
	for _, name := range h.names {
		known = known || name == r.Service
	}
	if !known {
		return nil, &told{tidal.ErrNotFound, fmt.Sprintf("there is no service %q", r.Service)}
	}
	if !h.s.ready() {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}
