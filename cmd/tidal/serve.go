package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/daemon"
	"github.com/tidaldb/tidal/internal/notify"
	"github.com/tidaldb/tidal/internal/server"
)

func (a *app) serveCommand() *cobra.Command {
	var f settingFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run a database as a server",
		Long: "serve opens a database and answers HTTP, gRPC and Connect at one port. It prints its address when it is ready.\n" +
			"\n" +
			"Settings come from flags, environment variables (TIDAL_LISTEN for --listen), the file of --config, and defaults, in\n" +
			"this order. Without API keys only this machine can reach it; see: tidal keys create --help.\n" +
			"\n" +
			"SIGTERM and Ctrl-C stop it in order: requests under way are answered, and the database is closed. A second one ends\n" +
			"it at once; what was acknowledged is safe. SIGHUP reads settings, keys and certificate again.",
		Example: "  tidal serve --data-dir D --schema shop.yaml\n" +
			"  tidal serve --data-dir D --listen 127.0.0.1:0 --json\n" +
			"  tidal serve --config /etc/tidal/tidal.yaml",
		Args: usageArgs(cobra.NoArgs),
	}
	f.register(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		resolved, err := f.resolve(a, c)
		if err != nil {
			return err
		}
		return a.serve(c, resolved, func() (*config.Resolved, error) { return f.resolve(a, c) })
	}
	return c
}

func (a *app) serve(c *cobra.Command, resolved *config.Resolved, again func() (*config.Resolved, error)) error {
	level := &slog.LevelVar{}
	level.Set(daemon.Level(resolved.Config.LogLevel))
	env := a.environment()
	notifier, err := notify.Open(env["NOTIFY_SOCKET"])
	if err != nil {
		return err
	}
	defer func() { _ = notifier.Close() }() // what was said has arrived
	watchdog, err := notify.Watchdog(env["WATCHDOG_USEC"], env["WATCHDOG_PID"], os.Getpid())
	if err != nil {
		return err
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	v := thisVersion()
	return daemon.Run(c.Context(), daemon.Options{
		Config: resolved, Reload: again, Hangup: hangups,
		API:     func(o server.Options) http.Handler { return server.New(o) },
		Log:     slog.New(logHandler(a, resolved.Config.LogFormat, level)),
		Level:   level,
		Ready:   a.serving,
		Version: daemon.Version{Version: v.Version, Commit: v.Commit, Go: v.Go},
		Notify:  notifier, Watchdog: watchdog, Now: a.now,
	})
}

// serving prints where the server is, once it can be reached.
func (a *app) serving(s daemon.Started) error {
	if a.json {
		return a.printJSON(s)
	}
	if _, err := fmt.Fprintf(a.stdout, "tidal serves %s\n", s.URL); err != nil {
		return fmt.Errorf("print the address: %w", err)
	}
	return nil
}

func logHandler(a *app, format string, level *slog.LevelVar) slog.Handler {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.NewJSONHandler(a.stderr, o)
	}
	return slog.NewTextHandler(a.stderr, o)
}
