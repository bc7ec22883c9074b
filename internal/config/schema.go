package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tidaldb/tidal/schema"
)

// ReadSchema reads the schema that a setting or flag names: a file of YAML, or, where no file has the name, a built-in
// schema.
func ReadSchema(from string) (*schema.Schema, error) {
	text, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		if s, ok := schema.Builtin(from); ok {
			return s, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	s, err := schema.ParseYAML(from, text)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return s, nil
}
