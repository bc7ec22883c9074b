package record

import (
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/zeebo/xxh3"
)

// SessionLane begins the name of every session's lane, and of no other: what is written in a session is in the lane
//
//	session/ID/HASH
//
// where HASH is of the user's id and the time of opening, 16 hexadecimal digits: two users may have sessions of one id, and
// a user who was erased may have one of that id again, and these aren't one lane.
const SessionLane = "session/"

// LaneOfSession is the lane of a user's session that was opened at a time in Unix milliseconds. It has at most
// [MaxProducer] bytes if the id has at most [MaxSession].
func LaneOfSession(user, session string, opened int64) string {
	var hash [8]byte
	binary.BigEndian.PutUint64(hash[:], xxh3.Hash(binary.BigEndian.AppendUint64([]byte(user), uint64(opened))))
	return SessionLane + session + "/" + hex.EncodeToString(hash[:])
}

// SessionOfLane returns the id of the session that a lane is of, false for any other lane. The id shares the lane's
// memory.
func SessionOfLane(producer string) (session string, ok bool) {
	rest, ok := strings.CutPrefix(producer, SessionLane)
	at := len(rest) - 17
	if !ok || at < 1 || at > MaxSession || rest[at] != '/' || strings.Trim(rest[at+1:], "0123456789abcdef") != "" {
		return "", false
	}
	return rest[:at], true
}
