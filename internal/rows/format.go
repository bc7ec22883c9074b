package rows

import (
	"bufio"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/schema"
)

// A Format is a way to write rows into a file.
type Format struct {
	Name string
	// Parts are the names of the files that hold the rows in a directory, in the order in which they're read; nil for
	// a format that comes in single files.
	Parts []string
	// Bare says that its rows are signals alone, and that nothing beside them says which items there are.
	Bare bool

	open   opener
	schema func() *schema.Schema
	fixed  bool // its rows need all that schema declares
	mapped *Mapping
}

// formats are the formats there are; a constant table.
var formats = [...]Format{
	{Name: "movielens", Bare: true, open: openMovieLens, schema: schema.MovieLens, fixed: true},
	{Name: "csv", open: openCSV, schema: schema.Events},
	{Name: "ndjson", open: openNDJSON, schema: schema.Events},
	{
		Name: "stackexchange", Parts: []string{"Posts.xml", "Votes.xml"}, open: openDump,
		schema: stackExchangeSchema, fixed: true,
	},
	{Name: "ordered", Bare: true, open: openOrdered, schema: orderedSchema, fixed: true},
}

// Find returns the format of a name.
func Find(name string) (Format, bool) {
	i := slices.IndexFunc(formats[:], func(f Format) bool { return f.Name == name })
	if i < 0 {
		return Format{}, false
	}
	return formats[i], true
}

// Names lists the formats for a message: "a, b or c".
func Names() string {
	names := make([]string, len(formats))
	for i := range formats {
		names[i] = formats[i].Name
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Open begins to read a file; name is what messages call it. The bytes are taken from r as rows are asked for.
func (f Format) Open(name string, r *bufio.Reader) Source {
	if f.mapped != nil {
		return openMapped(name, r, f.mapped)
	}
	return f.open(name, r)
}

// Schema is what a new database gets that is to take rows of this format.
func (f Format) Schema() *schema.Schema { return f.schema() }

// Map returns the format csv for files whose columns m explains; an InputError for another format.
func (f Format) Map(m *Mapping) (Format, error) {
	if f.Name != "csv" {
		return Format{}, refuse("a mapping says what the columns of csv mean; %s has none to explain", f.Name)
	}
	f.mapped = m
	return f, nil
}

// Fits refuses, with an InputError that says what is missing, a schema that can't take rows of this format.
func (f Format) Fits(s *schema.Schema) error {
	if f.mapped != nil {
		return f.mapped.fits(s)
	}
	if !f.fixed {
		return nil
	}
	own := f.schema()
	for _, t := range own.Signals {
		if _, _, ok := s.Signal(t.Name); !ok {
			return refuse("the schema %s has no signal type %q, which rows of %s need", s.Name, t.Name, f.Name)
		}
	}
	if f.Name == "movielens" {
		return nil // its rows are signals alone
	}
	for _, field := range own.Items.Fields {
		if have, ok := s.Items.Field(field.Name); !ok || have.Type != field.Type {
			return refuse("the schema %s has no item field %q of the type %s, which rows of %s need",
				s.Name, field.Name, field.Type, f.Name)
		}
	}
	return nil
}
