package daemon

import (
	"log/slog"
	"strings"

	"github.com/tidaldb/tidal/internal/config"
)

// reload brings into force what can be changed while the server runs: settings, keys, certificate. Each is taken or left
// as it was; what failed is logged, since nobody else would hear of it.
func (d *daemon) reload() {
	if d.o.Reload != nil {
		d.reloadConfig()
	}
	if err := d.ring.Reload(); err != nil && d.ring.Len() > 0 {
		d.o.Log.Error("the API keys stay as they were", "err", err)
	}
	if d.tls != nil {
		if err := d.tls.load(); err != nil {
			d.o.Log.Error("the certificate stays as it was", "err", err)
		}
	}
	if d.replica != nil && d.replica.certs != nil {
		if err := d.replica.certs.Check(); err != nil {
			d.o.Log.Error("the certificate for other replicas stays as it was", "err", err)
		}
	}
	d.o.Log.Info("reloaded", "keys", d.ring.Usable(d.o.Now()))
}

func (d *daemon) reloadConfig() {
	next, err := d.o.Reload()
	if err != nil {
		d.o.Log.Error("the settings stay as they were", "err", err)
		return
	}
	now, restart := config.Changes(d.config, next)
	if len(restart) > 0 {
		d.o.Log.Warn("settings changed that need a restart", "settings", strings.Join(restart, ", "))
	}
	if len(now) > 0 {
		d.o.Log.Info("settings changed", "settings", strings.Join(now, ", "))
	}
	d.config = config.Apply(d.config, next)
	d.dynamic.set(&d.config.Config)
	if d.o.Level != nil {
		d.o.Level.Set(Level(d.config.Config.LogLevel))
	}
}

// Level is the level that a setting's word stands for.
func Level(word string) slog.Level {
	switch word {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// refreshKeys follows the file of the keys, which another process may change.
func (d *daemon) refreshKeys() {
	changed, err := d.ring.Refresh()
	switch {
	case err != nil:
		d.o.Log.Error("the API keys stay as they were", "err", err)
	case changed:
		d.o.Log.Info("the API keys changed", "keys", d.ring.Usable(d.o.Now()))
	}
}
