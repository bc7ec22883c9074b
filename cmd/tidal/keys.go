package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/access"
	"github.com/tidaldb/tidal/internal/vfs"
)

func (a *app) keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke the API keys of a server",
		Long: "keys changes the file API_KEYS of a directory, or the one of --file. A server that runs on it follows within\n" +
			"seconds. The file holds hashes: a key is shown once, when it is made.",
		Example: `  tidal keys create --dir D --role write --name shop
  tidal keys list --dir D`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.keysCreateCommand(), a.keysListCommand(), a.keysRevokeCommand())
	return c
}

// keyFile are the flags that name the file.
type keyFile struct{ dir, file string }

func (f *keyFile) register(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", "", "directory of the database, whose file API_KEYS is meant")
	c.Flags().StringVar(&f.file, "file", "", "another file, which the server's setting keys names")
}

func (f *keyFile) path(c *cobra.Command) (string, error) {
	switch {
	case (f.dir == "") == (f.file == ""):
		return "", usagef(c, "name the directory with --dir, or a file with --file")
	case f.file != "":
		return f.file, nil
	}
	return filepath.Join(f.dir, access.FileName), nil
}

// keyResult is what is printed of a key with --json. Key is there once, when it is made.
type keyResult struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	State   string     `json:"state"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
	Revoked *time.Time `json:"revoked,omitempty"`
	Key     string     `json:"key,omitempty"`
}

func keyResultOf(k *access.Key, now time.Time) keyResult {
	r := keyResult{ID: k.ID, Name: k.Name, Role: k.Role.String(), State: k.State(now), Created: k.Created}
	if !k.Expires.IsZero() {
		r.Expires = &k.Expires
	}
	if !k.Revoked.IsZero() {
		r.Revoked = &k.Revoked
	}
	return r
}

func (a *app) keysCreateCommand() *cobra.Command {
	var f keyFile
	var name, role, expires string
	c := &cobra.Command{
		Use:   "create",
		Short: "Make a key, and show it once",
		Long: "create makes a key with a role: read asks for lists and counts; write also writes signals and entities; admin also\n" +
			"changes the schema, keys and settings of the server. The key is printed, and kept as a hash only.",
		Example: "  tidal keys create --dir D --role write --name shop\n" +
			"  tidal keys create --dir D --role read --name report --expires 720h --json",
		Args: usageArgs(cobra.NoArgs),
	}
	f.register(c)
	c.Flags().StringVar(&role, "role", "", "what the key may do: read, write or admin")
	c.Flags().StringVar(&name, "name", "", "what the key is for, up to 64 bytes")
	c.Flags().StringVar(&expires, "expires", "", "when it ends: a length of time from now (720h), or RFC 3339; never if empty")
	c.RunE = func(c *cobra.Command, _ []string) error {
		path, err := f.path(c)
		if err != nil {
			return err
		}
		if role == "" || name == "" {
			return usagef(c, "--role and --name are missing: what may the key do, and what is it for?")
		}
		r, err := access.ParseRole(role)
		if err != nil {
			return err
		}
		now := a.now()
		until, err := parseExpiry(expires, now)
		if err != nil {
			return usagef(c, "--expires %s: %v", expires, err)
		}
		k, text, err := access.Make(rand.Reader, name, r, now, until)
		if err != nil {
			return err
		}
		if err := access.Add(vfs.Default, path, k, now); err != nil {
			return err
		}
		out := keyResultOf(&k, now)
		out.Key = text
		return a.answer(out, func(w io.Writer) {
			fmt.Fprintln(w, text)
			fmt.Fprintf(a.stderr, "Key %s for %s, role %s. It isn't shown again.\n", k.ID, k.Name, k.Role)
		})
	}
	return c
}

// parseExpiry reads when a key ends. It is either a length of time or an instant.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errors.New("neither a length of time, such as 720h, nor RFC 3339")
	}
	return t, nil
}

func (a *app) keysListCommand() *cobra.Command {
	var f keyFile
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the keys: what each is for, what it may do, and whether it's good",
		Example: "  tidal keys list --dir D",
		Args:    usageArgs(cobra.NoArgs),
	}
	f.register(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		path, err := f.path(c)
		if err != nil {
			return err
		}
		keys, err := access.ReadFile(vfs.Default, path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		now, all, rows := a.now(), []keyResult{}, [][]string(nil)
		for i := range keys {
			r := keyResultOf(&keys[i], now)
			all = append(all, r)
			until := "never"
			if r.Expires != nil {
				until = stamp(*r.Expires)
			}
			rows = append(rows, []string{r.ID, r.Name, r.Role, r.State, stamp(r.Created), until})
		}
		return a.answer(struct {
			Keys []keyResult `json:"keys"`
		}{all}, func(w io.Writer) { table(w, []string{"id", "name", "role", "state", "created", "expires"}, rows) })
	}
	return c
}

func (a *app) keysRevokeCommand() *cobra.Command {
	var f keyFile
	c := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Withdraw a key",
		Example: "  tidal keys revoke --dir D abcdefghijklm",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}
	f.register(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := f.path(c)
		if err != nil {
			return err
		}
		k, err := access.Revoke(vfs.Default, path, args[0], a.now())
		if err != nil {
			return err
		}
		return a.answer(keyResultOf(&k, a.now()), func(w io.Writer) {
			fmt.Fprintf(w, "Key %s of %s is revoked.\n", k.ID, k.Name)
		})
	}
	return c
}
