package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/access"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/internal/vfs"
)

// KeyFile is where the settings have the API keys.
func KeyFile(c *config.Config) string {
	if c.Keys != "" {
		return c.Keys
	}
	return filepath.Join(c.DataDir, access.FileName)
}

func (d *daemon) openKeys() error {
	d.keyFile, d.guard = KeyFile(&d.config.Config), server.Guard(d.config.Config.CORSOrigins)
	var err error
	if d.ring, err = access.Open(vfs.Default, d.keyFile); err != nil {
		return err
	}
	d.gate = &access.Gate{Ring: d.ring}
	return nil
}

// authorize says who sends a request.
func (d *daemon) authorize(r *http.Request) (server.Caller, error) {
	who, err := d.gate.Enter(d.o.Now(), access.Headers{
		Authorization: r.Header.Get("Authorization"), APIKey: r.Header.Get("X-Api-Key"),
	})
	switch {
	case errors.Is(err, access.ErrNoKey):
		return server.Caller{}, server.ErrNoKey
	case errors.Is(err, access.ErrBadKey):
		return server.Caller{}, fmt.Errorf("%w: %w", server.ErrBadKey, err)
	case err != nil:
		return server.Caller{}, err
	}
	if who.Key == "" {
		if err := d.fromHere(r); err != nil {
			return server.Caller{}, fmt.Errorf("%w: %w", server.ErrNoKey, err)
		}
	}
	return server.Caller{Role: roleOf(who.Role), Key: who.Key}, nil
}

// fromHere refuses what a browser sends on behalf of somebody else's page, which is the one way in for a stranger where no
// keys are needed: a form that posts here, or a name of theirs that resolves to this machine.
func (d *daemon) fromHere(r *http.Request) error {
	if host := hostOf(r.Host); d.local && !isLocalName(host) {
		return fmt.Errorf("without keys, requests are for localhost or for an address, not for %q", host)
	}
	return d.guard.Check(r)
}

func isLocalName(host string) bool {
	host = strings.ToLower(host)
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// hostOf takes the port and the brackets off host, host:port or [host]:port.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// trusted reports whether a request may know why something fails: it comes with a good key, or none is needed.
func (d *daemon) trusted(r *http.Request) bool {
	_, err := d.authorize(r)
	return err == nil
}

// only lets through who has a role, for what this package serves itself. What administrators do is logged.
func (d *daemon) only(need server.Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := d.authorize(r)
		switch {
		case err != nil:
			w.Header().Set("WWW-Authenticate", `Bearer realm="tidal"`)
			http.Error(w, "an API key with the role "+need.String()+" is needed", http.StatusUnauthorized)
			return
		case caller.Role < need:
			http.Error(w, "an API key with the role "+need.String()+" is needed", http.StatusForbidden)
			return
		case need == server.Admin:
			d.o.Log.Info("admin", "route", r.Method+" "+r.URL.Path, "key", caller.Key, "remote", r.RemoteAddr)
		}
		next.ServeHTTP(w, r)
	})
}

func roleOf(r access.Role) server.Role {
	switch r {
	case access.Read:
		return server.Read
	case access.Write:
		return server.Write
	case access.Admin:
		return server.Admin
	}
	return server.NoRole
}

func accessRole(r server.Role) access.Role {
	switch r {
	case server.Read:
		return access.Read
	case server.Write:
		return access.Write
	case server.Admin:
		return access.Admin
	}
	return 0
}

// keys is what the API's administrators change keys with.
type keys struct{ d *daemon }

// Create implements [server.Keys].
func (k keys) Create(_ context.Context, name string, role server.Role, expires time.Time) (server.Key, string, error) {
	random := k.d.o.Random
	if random == nil {
		random = rand.Reader
	}
	now := k.d.o.Now()
	key, text, err := access.Make(random, name, accessRole(role), now, expires)
	if err != nil {
		return server.Key{}, "", err
	}
	if err := access.Add(vfs.Default, k.d.keyFile, key, now); err != nil {
		return server.Key{}, "", err
	}
	return keyOf(&key), text, k.d.ring.Reload()
}

// List implements [server.Keys].
func (k keys) List(context.Context) ([]server.Key, error) {
	all := k.d.ring.Keys()
	out := make([]server.Key, len(all))
	for i := range all {
		out[i] = keyOf(&all[i])
	}
	return out, nil
}

// Revoke implements [server.Keys].
func (k keys) Revoke(_ context.Context, id string) error {
	if _, err := access.Revoke(vfs.Default, k.d.keyFile, id, k.d.o.Now()); err != nil {
		return err
	}
	return k.d.ring.Reload()
}

func keyOf(k *access.Key) server.Key {
	return server.Key{
		ID: k.ID, Name: k.Name, Role: roleOf(k.Role), Created: k.Created, Expires: k.Expires, Revoked: !k.Revoked.IsZero(),
	}
}
