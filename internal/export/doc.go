// Package export is what an export leaves behind: how far somebody has read a log ([Cursor]), as a text that they hand
// back to go on, and the same kept under a name so that the log isn't let go in front of them ([Pin]), as the bytes of a
// file.
//
//	text := c.Text()
//	c, err := export.ParseCursor("cursor", text)
//	pin, err := export.DecodePin(path, data)
//
// The package reads no log and no file; package host does. A cursor is checked against mistakes, not sealed against
// forgery: whoever may read an export may begin it where they like. The bytes are described in docs/format/export.md.
package export
