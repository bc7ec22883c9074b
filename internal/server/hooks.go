package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
)

// Role is what a caller may do. Each role may do what those before it may.
type Role uint8

// The roles.
const (
	NoRole Role = iota // nothing
	Read               // lists, entities, what was counted
	Write              // signals, entities, sessions, erasing users
	Admin              // the schema, keys, backups, exports
)

// String is the role's word: none, read, write or admin.
func (r Role) String() string {
	switch r {
	case Read:
		return "read"
	case Write:
		return "write"
	case Admin:
		return "admin"
	}
	return "none"
}

// Caller is who sends a request.
type Caller struct {
	Role Role
	// Key is the id of the API key that was shown, empty without one. It isn't secret.
	Key string
}

// Authorizer says who sends a request, by its headers and its connection. With [ErrNoKey] and [ErrBadKey] the request is
// refused as unauthenticated; another error is a failure of ours. It is called once for each request, and before its body
// is read.
type Authorizer func(*http.Request) (Caller, error)

// What an Authorizer can find wrong with a request.
var (
	ErrNoKey  = errors.New("no API key was given")
	ErrBadKey = errors.New("the API key is unknown, revoked or expired")
)

// Recorder is told what the server does. It is called on the goroutines of requests, several at once, and must be quick.
// What it is given is valid during the call.
type Recorder interface {
	// Finished is told of every request, when its answer is written.
	Finished(*Finished)
	// Written is told of every request for the log, before its answer is written; also of those that failed. A stream has
	// many.
	Written(*Written)
	// Ranked is told of every list.
	Ranked(*Ranked)
}

// Finished is one request of HTTP.
type Finished struct {
	// Route is the pattern that the request met, such as "GET /v1/items/{id}" or "/tidal.v1.Tidal/Rank", and "none" where
	// it met none: a bounded number of texts.
	Route string
	// Status is that of HTTP, Code the problem's code, "ok" if there was none.
	Status int
	Code   string
	Begun  time.Time
	Took   time.Duration
	// In and Out count the bytes of the bodies as they went over the wire.
	In, Out int64
	// Forwarded reports that the leader was asked in the caller's place.
	Forwarded bool
	// ID is the request's id, Trace its trace id in hexadecimal digits.
	ID, Trace string
	Caller    Caller
	Remote    string
	// Err is what lies behind a problem. Callers are told less if the fault is ours.
	Err error
}

// Written is one request for the log.
type Written struct {
	// Begun is when it was accepted from the network, Took how long until it was durable and visible.
	Begun   time.Time
	Took    time.Duration
	Records []tidal.Record
	Receipt tidal.Receipt
	Err     error
}

// Ranked is one list.
type Ranked struct {
	Begun time.Time
	Took  time.Duration
	Query *query.Query
	// Answer is nil with an Err.
	Answer *tidal.Answer
	Err    error
}

// Keys keeps the API keys. Its methods may be called several at once.
type Keys interface {
	// Create makes a key and returns it with its secret, which nobody can ask for again. A name or role that won't do is a
	// [tidal.InputError].
	Create(ctx context.Context, name string, role Role, expires time.Time) (Key, string, error)
	List(ctx context.Context) ([]Key, error)
	// Revoke makes a key worthless from now on. [tidal.ErrNotFound] means that there is none with this id.
	Revoke(ctx context.Context, id string) error
}

// Key is an API key without its secret.
type Key struct {
	ID, Name string
	Role     Role
	Created  time.Time
	// Expires is zero for a key that doesn't.
	Expires time.Time
	Revoked bool
}

// Options say what a server serves and how much. All but DB may be zero.
type Options struct {
	// DB is the database. Who makes the server closes it, after the last request. nil answers everything with starting: it
	// isn't open yet.
	DB *tidal.DB
	// Authorize says who may do what; nil lets everybody do everything.
	Authorize Authorizer
	// Recorder is told what happens; nil is nobody.
	Recorder Recorder
	// Keys keeps the API keys; nil refuses to make, list and revoke any.
	Keys Keys
	// Group are the replicas that keep the database together; nil is a database alone. Forward passes requests on to their
	// leader; nil answers them with not_leader.
	Group   Group
	Forward *Forwarder
	// Regions are those of the database; nil is a group that can't have any.
	Regions Regions
	// Origins are those whose pages may use the API through a browser, each as a browser writes it, such as https://shop.example.com,
	// or [AnyOrigin]; none lets no page of another origin in.
	Origins []string
	// Ready says whether new work is welcome, for grpc.health.v1; nil is always.
	Ready func() bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Limits bound what one request may take.
	Limits Limits
}

// Limits bound what requests may take. Zero stands for what each comment says.
type Limits struct {
	// Body is how many bytes a body may have, before and after decompression; 0 is 4 MiB. Bodies of streams have no end,
	// and no such bound: they are read piece by piece.
	Body int64
	// Request is how long a request may take, and a body may take to arrive; 0 is 10 seconds. Callers can ask for less.
	// Checkpoints, digests and changes of the schema may take ten times as long.
	Request time.Duration
	// Idle is how long a stream may wait for its other end; 0 is 60 seconds.
	Idle time.Duration
	// Lists and Writes are how many of them may be under way at once; 0 is 256 and 1,024. Beyond it they are refused as
	// overloaded, without waiting.
	Lists, Writes int
}
