package access

import (
	"github.com/tidaldb/tidal/internal/fault"
)

// Role is what a key may do. Each role may do what those before it may, too.
type Role uint8

// The roles. The zero Role may do nothing.
const (
	Read  Role = 1 // ask for lists, counts and entities
	Write Role = 2 // and write signals, entities and sessions
	Admin Role = 3 // and change the schema, take backups, profile the process
)

var roles = []string{Read: "read", Write: "write", Admin: "admin"}

// ParseRole reads the name of a role; another word is refused.
func ParseRole(name string) (Role, error) {
	for r := Read; r <= Admin; r++ {
		if roles[r] == name {
			return r, nil
		}
	}
	return 0, fault.Refuse("role", "is %q; it is read, write or admin", name)
}

// String is the role's name, or "none".
func (r Role) String() string {
	if r < Read || r > Admin {
		return "none"
	}
	return roles[r]
}

// Allows reports whether the role may do what needs the role need.
func (r Role) Allows(need Role) bool { return r >= need && need >= Read && r <= Admin }
