package access

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What can be wrong with who sends a request; ask with errors.Is.
var (
	// ErrNoKey is returned for a request without a key where one is needed.
	ErrNoKey = errors.New("no API key was given")
	// ErrBadKey is returned for a key that is unknown, revoked or expired, and for a header that holds no key.
	ErrBadKey = errors.New("API key is not accepted")
)

// Who is behind a request.
type Who struct {
	Role Role
	// Key is the id of the key, and Name its name; both are empty for somebody who came without one.
	Key, Name string
}

// Headers are what a request says of itself.
type Headers struct {
	Authorization string // Authorization
	APIKey        string // X-Api-Key
}

// Gate decides who is behind a request.
type Gate struct {
	Ring *Ring
	// Open lets requests without a key pass as administrators, as long as there are no keys at all. It is for a server that
	// nobody but the machine itself can reach. Once there is a key, everybody needs one.
	Open bool
}

// Enter says who is behind a request with these headers. The error is [ErrNoKey] or [ErrBadKey].
func (g *Gate) Enter(now time.Time, h Headers) (Who, error) {
	text, given, err := h.key()
	if err != nil {
		return Who{}, err
	}
	if !given {
		if g.Unlocked() {
			return Who{Role: Admin}, nil
		}
		return Who{}, ErrNoKey
	}
	k, err := g.Ring.Find(now, text)
	if err != nil {
		return Who{}, err
	}
	return Who{Role: k.Role, Key: k.ID, Name: k.Name}, nil
}

// Unlocked reports whether requests without a key pass now.
func (g *Gate) Unlocked() bool { return g.Open && g.Ring.Len() == 0 }

// key returns the text of the key, and whether there is one. Two that differ are refused: whoever put the second one there
// may not be who put the first.
func (h Headers) key() (text string, given bool, err error) {
	if h.Authorization != "" {
		scheme, rest, ok := strings.Cut(h.Authorization, " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") {
			return "", false, fmt.Errorf("the header Authorization isn't \"Bearer\" and a key: %w", ErrBadKey)
		}
		text, given = strings.TrimSpace(rest), true
	}
	if h.APIKey != "" {
		if given && text != h.APIKey {
			return "", false, fmt.Errorf("the request has two different keys: %w", ErrBadKey)
		}
		text, given = h.APIKey, true
	}
	return text, given, nil
}
