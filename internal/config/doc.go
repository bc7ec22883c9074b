// Package config holds the settings of a server: one table says for each its name, what it is by default, and what it
// means, and flags, environment variables, the file and the documentation are made of that table.
//
//	c, err := config.Resolve(config.Sources{Flags: given, Environ: os.Environ(), File: text, FileName: "tidal.yaml"})
//
// A flag rules over an environment variable, that over the file, and that over the default. A name that the table doesn't
// have is refused wherever it stands, with the one that was probably meant; so is a value that isn't of the setting's
// kind. The package opens nothing: it gets texts, and its answer says where each value came from. No setting is a
// secret: keys and certificates are in files, which settings name.
package config
