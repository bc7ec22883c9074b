package server

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// router finds the route of a path under /v1. A pattern has segments that stand for themselves, and segments in braces
// that take any id: its bytes are percent-encoded, so that an id may hold a slash. A segment in braces may have a verb
// behind it, as in {id}:erase; an id's own colon in such a place is %3A.
type router struct {
	bySize map[int][]*pattern // by number of segments, those that match less before those that match more
}

type pattern struct {
	text      string
	segments  []segment
	endpoints map[string]*endpoint // by method
}

type segment struct {
	text string // what it is, where it has no name; else the verb behind it
	name string
}

func newRouter(routes []*route) *router {
	r := &router{bySize: map[int][]*pattern{}}
	byText := map[string]*pattern{}
	for _, route := range routes {
		p := byText[route.path]
		if p == nil {
			p = &pattern{text: route.path, segments: segmentsOf(route.path), endpoints: map[string]*endpoint{}}
			byText[route.path] = p
			r.bySize[len(p.segments)] = append(r.bySize[len(p.segments)], p)
		}
		p.endpoints[route.method] = route.endpoint()
	}
	for _, patterns := range r.bySize {
		slices.SortStableFunc(patterns, func(a, b *pattern) int { return slices.CompareFunc(a.segments, b.segments, narrower) })
	}
	return r
}

// narrower orders fixed segments before verbs, and these before what takes anything.
func narrower(a, b segment) int { return a.width() - b.width() }

func (s segment) width() int {
	switch {
	case s.name == "":
		return 0
	case s.text != "":
		return 1
	}
	return 2
}

func segmentsOf(path string) []segment {
	var out []segment
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		s := segment{text: part}
		if rest, ok := strings.CutPrefix(part, "{"); ok {
			s.name, s.text, _ = strings.Cut(rest, "}")
		}
		out = append(out, s)
	}
	return out
}

// find returns the endpoint and the ids in the path.
func (r *router) find(method, escaped string) (*endpoint, map[string]string, error) {
	parts := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	var other *pattern
	for _, p := range r.bySize[len(parts)] {
		values, ok := p.match(parts)
		if !ok {
			continue
		}
		e := p.endpoints[method]
		if e == nil && method == "HEAD" {
			e = p.endpoints["GET"]
		}
		if e != nil {
			return e, values, nil
		}
		if other == nil {
			other = p
		}
	}
	if other != nil {
		return nil, nil, &wrongMethod{method: method, allow: other.methods()}
	}
	return nil, nil, &told{errNoRoute, "there is nothing under this path; /openapi.json lists what there is"}
}

func (p *pattern) match(parts []string) (map[string]string, bool) {
	values := make(map[string]string, 3)
	for i, s := range p.segments {
		part := parts[i]
		if s.name == "" {
			if part != s.text {
				return nil, false
			}
			continue
		}
		part, ok := strings.CutSuffix(part, s.text)
		if !ok {
			return nil, false
		}
		value, err := url.PathUnescape(part)
		if err != nil || value == "" {
			return nil, false
		}
		values[s.name] = value
	}
	return values, true
}

func (p *pattern) methods() []string {
	var out []string
	for m := range p.endpoints {
		out = append(out, m)
		if m == "GET" {
			out = append(out, "HEAD")
		}
	}
	slices.Sort(out)
	return out
}

// wrongMethod is a path that is there, but not for this method.
type wrongMethod struct {
	method string
	allow  []string
}

func (e *wrongMethod) Error() string {
	return fmt.Sprintf("this path doesn't take %.16q; it takes %s", e.method, strings.Join(e.allow, ", "))
}

func (e *wrongMethod) Unwrap() error { return errMethod }
