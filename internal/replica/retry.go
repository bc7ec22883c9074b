package replica

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/lane"
)

// errFresh says that a request is no retry.
var errFresh = errors.New("request is fresh")

// isRetry reports whether a request is not to be stamped: it was accepted before, is under way, or is refused as a
// retry.
func (c *Core) isRetry(r *Request) bool {
	if c.suffix.find(r) != nil {
		return true
	}
	_, err := c.verdict(r)
	return !errors.Is(err, errFresh)
}

// settleRetry ends a request that isRetry recognised: it is answered, joined to the one under way, or refused with
// the error returned. errFresh means that it was stamped.
func (c *Core) settleRetry(w *waiting) error {
	if original := c.suffix.find(w.Request); original != nil {
		switch {
		case original == w:
			return errFresh
		case original.Content != w.Content || len(original.Records) != len(w.Records):
			return fmt.Errorf("%s is under way with other content: %w", w.name(), fault.ErrKeyReused)
		}
		original.retries = append(original.retries, w)
		return nil
	}
	r, err := c.verdict(w.Request)
	if err != nil {
		return err
	}
	c.recognised(w, r)
	return nil
}

// verdict asks what was applied: the receipt of the accepted request, errFresh, or a refusal.
func (c *Core) verdict(r *Request) (Receipt, error) {
	var v lane.Verdict
	var err error
	switch {
	case r.Producer != "":
		v, err = c.engine.Lanes().Check(r.Producer, r.Number, r.Content)
	case r.Records[0].Key != "":
		v, err = c.engine.Lanes().CheckKey(r.Records[0].Key, r.Content)
	default:
		return Receipt{}, errFresh
	}
	switch {
	case err != nil:
		return Receipt{}, err
	case !v.Duplicate:
		return Receipt{}, errFresh
	}
	return Receipt{First: v.Position, Count: int(v.Count)}, nil
}

// name says which request it is, for errors.
func (w *waiting) name() string {
	if w.Producer != "" {
		return fmt.Sprintf("request %d of lane %q", w.Number, w.Producer)
	}
	return fmt.Sprintf("key %q", w.Records[0].Key)
}
