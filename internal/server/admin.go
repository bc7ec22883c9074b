package server

import (
	"context"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
	"github.com/tidaldb/tidal/schema"
)

// adminService answers tidal.v1.Admin.
type adminService struct {
	tidalpbconnect.UnimplementedAdminHandler
	s *Server
}

// ExtendSchema is in the schema's words.
func (x *adminService) ExtendSchema(ctx context.Context, m *tidalpb.ExtendSchemaRequest) (*tidalpb.ExtendSchemaResponse, error) {
	if err := x.s.lead(true); err != nil {
		return nil, err
	}
	next, err := schema.ParseYAML("document", []byte(m.GetDocument()))
	if err != nil {
		return nil, err
	}
	if err := x.s.db.Extend(ctx, next); err != nil {
		return nil, err
	}
	return &tidalpb.ExtendSchemaResponse{Schema: schemaMessage(x.s.db.Schema())}, nil
}

// Checkpoint is in the schema's words.
func (x *adminService) Checkpoint(ctx context.Context, _ *tidalpb.CheckpointRequest) (*tidalpb.CheckpointResponse, error) {
	if err := x.s.db.Checkpoint(ctx); err != nil {
		return nil, err
	}
	return &tidalpb.CheckpointResponse{}, nil
}

// Digest is in the schema's words.
func (x *adminService) Digest(_ context.Context, _ *tidalpb.DigestRequest) (*tidalpb.DigestResponse, error) {
	return &tidalpb.DigestResponse{
		Digest: fmt.Sprint(x.s.db.Digest()), DigestCells: fmt.Sprint(x.s.db.DigestCells()),
	}, nil
}

// CreateApiKey is in the schema's words.
func (x *adminService) CreateApiKey(ctx context.Context, m *tidalpb.CreateApiKeyRequest) (*tidalpb.CreateApiKeyResponse, error) {
	if x.s.keys == nil {
		return nil, notOffered("making API keys")
	}
	role, err := roleOf(m.GetRole())
	if err != nil {
		return nil, err
	}
	expires, err := timeOf("expires", m.GetExpires())
	if err != nil {
		return nil, err
	}
	key, secret, err := x.s.keys.Create(ctx, m.GetName(), role, expires)
	if err != nil {
		return nil, err
	}
	return &tidalpb.CreateApiKeyResponse{Key: keyMessage(&key), Secret: secret}, nil
}

// ListApiKeys is in the schema's words.
func (x *adminService) ListApiKeys(ctx context.Context, _ *tidalpb.ListApiKeysRequest) (*tidalpb.ListApiKeysResponse, error) {
	if x.s.keys == nil {
		return nil, notOffered("listing API keys")
	}
	all, err := x.s.keys.List(ctx)
	if err != nil {
		return nil, err
	}
	out := &tidalpb.ListApiKeysResponse{}
	for i := range all {
		out.Keys = append(out.Keys, keyMessage(&all[i]))
	}
	return out, nil
}

// RevokeApiKey is in the schema's words.
func (x *adminService) RevokeApiKey(ctx context.Context, m *tidalpb.RevokeApiKeyRequest) (*tidalpb.RevokeApiKeyResponse, error) {
	if x.s.keys == nil {
		return nil, notOffered("revoking API keys")
	}
	if err := x.s.keys.Revoke(ctx, m.GetId()); err != nil {
		return nil, err
	}
	return &tidalpb.RevokeApiKeyResponse{}, nil
}

func roleOf(word string) (Role, error) {
	for _, r := range []Role{Read, Write, Admin} {
		if word == r.String() {
			return r, nil
		}
	}
	return NoRole, fault.Refuse("role", "is %q; it is one of read, write, admin", word)
}

func keyMessage(k *Key) *tidalpb.ApiKey {
	return &tidalpb.ApiKey{
		Id: k.ID, Name: k.Name, Role: k.Role.String(), Created: timeMessage(k.Created), Expires: timeMessage(k.Expires),
		Revoked: k.Revoked,
	}
}

// RotateSigningKeys is in the schema's words.
func (x *adminService) RotateSigningKeys(
	ctx context.Context, _ *tidalpb.RotateSigningKeysRequest,
) (*tidalpb.RotateSigningKeysResponse, error) {
	if err := x.s.lead(true); err != nil {
		return nil, err
	}
	if err := x.s.db.RotateKeys(ctx); err != nil {
		return nil, err
	}
	return &tidalpb.RotateSigningKeysResponse{}, nil
}
