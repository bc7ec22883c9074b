package rows

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// dump reads Posts.xml or Votes.xml of a Stack Exchange data dump; the root element says which.
//
//	<?xml version="1.0" encoding="utf-8"?>
//	<votes>
//	  <row Id="1" PostId="1" VoteTypeId="2" CreationDate="2010-08-25T00:00:00.000" />
//	</votes>
//
// Dumps are written with one row on a line, and that's what is relied upon: each line goes through the XML decoder on
// its own, so that memory is bounded by a line and whatever is wrong with one row, an unclosed quote included, ends
// with its line. One decoder for the whole file could do neither.
type dump struct {
	lines
	root   string // "posts" or "votes", "" in front of it
	closed bool   // the root's end was read
}

func openDump(file string, r *bufio.Reader) Source {
	return &dump{lines: lines{r: r, Place: Place{File: file}}}
}

func (d *dump) Next() (Row, error) {
	if d.root == "" {
		if err := d.readHead(); err != nil {
			return Row{}, err
		}
	}
	for {
		line, err := d.next()
		if errors.Is(err, io.EOF) && !d.closed {
			return Row{}, refuse("%s:%d: the file ends without </%s>: its end is missing", d.File, d.Line, d.root)
		}
		if err != nil {
			return Row{}, err
		}
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case d.closed:
			return Row{}, d.bad(causeXML, "text behind </%s>", d.root)
		case string(line) == "</"+d.root+">":
			d.closed = true
		default:
			return d.row(line)
		}
	}
}

// row makes a row of a line.
func (d *dump) row(line []byte) (Row, error) {
	a, err := parseAttributes(line)
	if err != nil {
		return Row{}, d.badField(err)
	}
	if d.root == "posts" {
		return postRow(d.Place, a)
	}
	return voteRow(d.Place, a)
}

// readHead reads up to the root element. A file without one that is known is refused as a whole.
func (d *dump) readHead() error {
	for {
		line, err := d.next()
		var bad *Error
		switch {
		case errors.Is(err, io.EOF):
			return refuse("%s: there is no root element; want <posts> or <votes>", d.File)
		case errors.As(err, &bad):
			return refuse("%v; want <posts> or <votes>", bad)
		case err != nil:
			return err
		}
		text := strings.TrimSpace(strings.TrimPrefix(string(line), "\ufeff")) // a byte order mark begins a dump
		switch {
		case text == "":
		case strings.HasPrefix(text, "<?xml"):
			// The decoder knows UTF-8 alone, and refuses any other encoding.
			if _, err := xml.NewDecoder(strings.NewReader(text)).RawToken(); err != nil {
				return refuse("%s:%d: %v", d.File, d.Line, err)
			}
		case text == "<posts>", text == "<votes>":
			d.root = text[1 : len(text)-1]
			return nil
		default:
			return refuse("%s:%d: %.40q isn't <posts> or <votes>", d.File, d.Line, text)
		}
	}
}

// attributes are those of one row.
type attributes []xml.Attr

// parseAttributes reads a line that is one element named row, without content.
func parseAttributes(line []byte) (attributes, error) {
	dec := xml.NewDecoder(bytes.NewReader(line))
	tokens := [3]xml.Token{}
	for i := range tokens {
		t, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, badField(causeXML, "%s", xmlReason(err))
		}
		tokens[i] = t
	}
	row := xml.Name{Local: "row"}
	start, ok := tokens[0].(xml.StartElement)
	end, closed := tokens[1].(xml.EndElement)
	if !ok || !closed || start.Name != row || end.Name != row || tokens[2] != nil {
		return nil, badField(causeXML, "the line isn't one element <row … />")
	}
	return start.Attr, nil
}

// xmlReason is a decoder's error without the decoder's line, which is always 1, and without its end of file, which is
// that of the line.
func xmlReason(err error) string {
	var syntax *xml.SyntaxError
	switch {
	case !errors.As(err, &syntax):
		return err.Error()
	case syntax.Msg == "unexpected EOF":
		return "the line ends within the row"
	default:
		return syntax.Msg
	}
}

// get returns an attribute, "" if it's absent. One that stands there twice means nothing.
func (a attributes) get(name string) (string, error) {
	value, found := "", false
	for i := range a {
		if a[i].Name != (xml.Name{Local: name}) {
			continue
		}
		if found {
			return "", badField(causeXML, "the attribute %s appears twice", name)
		}
		value, found = a[i].Value, true
	}
	return value, nil
}

// need returns an attribute that has to be there.
func (a attributes) need(name string) (string, error) {
	value, err := a.get(name)
	if err == nil && value == "" {
		err = badField(causeXML, "the attribute %s is missing", name)
	}
	return value, err
}
