package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionResult is what version prints with --json.
type versionResult struct {
	Version  string `json:"version"` // of the module: "(devel)" for a build from a working tree
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit
	Modified bool   `json:"modified"`       // the tree had changes beyond the commit
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print which tidal this is",
		Example: "  tidal version --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v := thisVersion()
			return a.answer(v, func(w io.Writer) {
				fmt.Fprintf(w, "tidal %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch)
				if v.Commit != "" {
					fmt.Fprintf(w, "commit %s of %s\n", v.Commit, v.Time)
				}
			})
		},
	}
}

// thisVersion reads what the Go toolchain put into the program.
func thisVersion() versionResult {
	v := versionResult{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
