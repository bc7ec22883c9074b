package query

import "strconv"

// trail is a path that is only written out where something is wrong: a key below another part, or, without a key, a
// member of a list.
type trail struct {
	up    *trail
	key   string
	index int
}

// String is the path, such as "filter.and[1].value".
func (t *trail) String() string {
	switch {
	case t.key == "":
		return t.up.String() + "[" + strconv.Itoa(t.index) + "]"
	case t.up == nil:
		return t.key
	}
	return t.up.String() + "." + t.key
}

// to is the path of a part below this one.
func (t *trail) to(key string) string { return t.String() + "." + key }
