package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tidaldb/tidal/internal/config"
)

// settingFlags are the settings of a server as flags of a command, and the file that holds others.
type settingFlags struct {
	file string
}

func (f *settingFlags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.file, "config", "", "file with settings, as YAML; TIDAL_CONFIG names one, too")
	for _, s := range config.Settings() {
		v := &settingValue{kind: s.Kind, text: s.Default}
		flag := flags.VarPF(v, s.Name, "", s.Doc)
		if s.Kind == config.Switch {
			flag.NoOptDefVal = "true"
		}
	}
}

// settingValue is a setting as a flag: a text that is read later, together with those of the other sources.
type settingValue struct {
	kind config.Kind
	text string
}

func (v *settingValue) String() string { return v.text }
func (v *settingValue) Set(text string) error {
	v.text = text
	return nil
}

// Type is what the help calls the value. A bool is what has none there.
func (v *settingValue) Type() string {
	if v.kind == config.Switch {
		return "bool"
	}
	return string(v.kind)
}

// resolve reads the settings from all sources.
func (f *settingFlags) resolve(a *app, c *cobra.Command) (*config.Resolved, error) {
	src := config.Sources{Flags: map[string]string{}, Environ: a.environ()}
	c.Flags().Visit(func(flag *pflag.Flag) {
		if _, ok := config.Find(flag.Name); ok {
			src.Flags[flag.Name] = flag.Value.String()
		}
	})
	if src.FileName = f.file; src.FileName == "" {
		src.FileName = config.FileOf(src.Environ)
	}
	if src.FileName != "" {
		var err error
		if src.File, err = readSmall(src.FileName); err != nil {
			return nil, fmt.Errorf("read the settings: %w", err)
		}
	}
	return config.Resolve(src)
}

// environment is the process's, by name.
func (a *app) environment() map[string]string {
	all := map[string]string{}
	for _, entry := range a.environ() {
		name, value, _ := strings.Cut(entry, "=")
		all[name] = value
	}
	return all
}

// readSmall reads a file of at most as many bytes as a file of settings may have, and one more, so that too many show.
func readSmall(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(file, config.MaxFile+1))
}

// setting is what config print prints of each with --json.
type setting struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	From     string `json:"from"`
	Variable string `json:"variable"`
	Reload   bool   `json:"reload"`
}

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "Look at the settings of a server",
		Example: "  tidal config print --config tidal.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.configPrintCommand())
	return c
}

func (a *app) configPrintCommand() *cobra.Command {
	var f settingFlags
	c := &cobra.Command{
		Use:   "print",
		Short: "Print every setting, its value, and where that comes from",
		Long: "print reads the settings as serve does, from flags, environment variables, the file and the defaults, and prints\n" +
			"what comes out. What serve would refuse, print refuses. No setting is a secret.",
		Example: "  tidal config print --config tidal.yaml\n  tidal config print --listen :7878 --json",
		Args:    usageArgs(cobra.NoArgs),
	}
	f.register(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		resolved, err := f.resolve(a, c)
		if err != nil {
			return err
		}
		var all []setting
		var rows [][]string
		for _, v := range resolved.Values {
			all = append(all, setting{v.Name, v.Text, v.From, v.Variable(), v.Reload})
			rows = append(rows, []string{v.Name, v.Text, v.From, v.Variable()})
		}
		return a.answer(struct {
			Settings []setting `json:"settings"`
		}{all}, func(w io.Writer) { table(w, []string{"setting", "value", "from", "variable"}, rows) })
	}
	return c
}
