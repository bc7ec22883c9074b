package store

import "iter"

// form is where records lie: sorted keys with values, under atomic commits and a merge operator. There are two.
// Methods of one form may run side by side, but commits, flush, begin and adopt one at a time.
type form interface {
	// view pins what is committed. It must be closed before the form is.
	view() (view, error)
	// commit makes a batch visible, all of it or nothing, and not durable.
	commit(*Batch) error
	// flush makes everything durable that was committed before.
	flush() error
	// begin returns an empty form to be filled beside this one, and adopt makes such a one the one that is opened
	// from now on, durably and in one step. The form itself stays readable until it is closed.
	begin() (form, error)
	adopt(form) error
	// close releases the form; what wasn't flushed is lost. After adopt, and for what begin returned and nobody
	// adopted, it removes what is stored.
	close() error
	// usage counts what the form takes.
	usage() Usage
}

// view is one instant of a form.
type view interface {
	// get returns a copy.
	get(key []byte) (value []byte, ok bool, err error)
	// scan walks the keys from (inclusive) to (exclusive), ascending. What it yields is valid until the next step. It
	// yields an error at most once, as the last.
	scan(from, to []byte) iter.Seq2[pair, error]
	// cuts returns at most n − 1 keys, rising, between which there are about equally many bytes. It's a guess.
	cuts(n int) [][]byte
	close() error
}

type pair struct{ key, value []byte }
