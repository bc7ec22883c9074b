package record

import (
	"errors"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Limits. Encoders refuse what lies beyond them, decoders call it damage; both ask the same checks.
const (
	// MaxBatch is the size of the largest batch in bytes, header included.
	MaxBatch = 1 << 20
	// MaxRecords is the number of records that a batch holds at most, and so a request.
	MaxRecords = 1 << 16
	// MaxBody is the size of the largest record body in bytes. A record of that size fits an empty batch.
	MaxBody = 1 << 19
	// MaxProducer is the length of the longest producer id in bytes.
	MaxProducer = 128
	// MaxKey is the length of the longest idempotency key in bytes.
	MaxKey = 128
	// MaxCohorts is the number of cohorts that one signal counts for at most.
	MaxCohorts = 8
	// MaxCohort is the length of the longest cohort name in bytes.
	MaxCohort = 64
	// MaxCollection is the length of the longest name of a user's collection in bytes.
	MaxCollection = 64
	// MaxRef is the length of the longest feed reference in bytes.
	MaxRef = 256
	// MaxFields is the number of fields that one entity record holds at most: 256 fields and 8 embeddings.
	MaxFields = 264
	// MaxFieldName is the length of the longest field name in bytes.
	MaxFieldName = 64
	// MaxValue is the size of the largest field value in bytes, as encoded.
	MaxValue = 1 << 17
	// MaxSchema is the size of the largest schema in bytes, as encoded.
	MaxSchema = 1 << 18
	// MaxNote is the size of the largest annotation in bytes, its name apart.
	MaxNote = 1 << 12
	// MaxNoteName is the length of the longest annotation name in bytes.
	MaxNoteName = 64
	// MaxSession is the length of the longest id of a session in bytes.
	MaxSession = 64
	// MaxAgent and MaxPolicy are the lengths of the longest names of a session's agent and policy in bytes.
	MaxAgent  = 64
	MaxPolicy = 63
	// MaxTaste is how many parts a session's vectors have at most.
	MaxTaste = 256
	// MaxResults is how many items a search of a session names at most.
	MaxResults = 100
	// SessionPlaces is how many sessions are kept of one user.
	SessionPlaces = 64
	// MaxRegionName is the length of the longest name of a region in bytes.
	MaxRegionName = 32
	// MaxEndpoints is how many members of a region are named, and MaxEndpoint the length of the longest address or URL
	// of one in bytes.
	MaxEndpoints = 64
	MaxEndpoint  = 512
	// MinTime and MaxTime bound event times, in Unix milliseconds: about 142,000 years to either side of 1970. So a
	// difference of two times never overflows, wherever it is taken.
	MinTime = -1 << 52
	MaxTime = 1 << 52
)

// checkTime refuses an event time that is no time.
func checkTime(t int64) error {
	if t < MinTime || t > MaxTime {
		return fault.Refuse("time", "%d ms is out of range", t)
	}
	return nil
}

// checkText refuses a text that is empty or longer than limit bytes.
func checkText(field, s string, limit int) error {
	switch {
	case s == "":
		return fault.Refuse(field, "is empty; it has 1 to %d bytes", limit)
	case len(s) > limit:
		return fault.Refuse(field, "has %d bytes; it has 1 to %d bytes", len(s), limit)
	}
	return nil
}

// checkOptional refuses an id that is too long, and a generation without an id.
func checkOptional(field, s string, gen hlc.Timestamp) error {
	switch {
	case len(s) > id.MaxLen:
		return id.Check(field, s)
	case s == "" && gen != 0:
		return fault.Refuse(field, "is empty but has a generation")
	}
	return nil
}

// asDamage turns a refusal by a check into damage at offset: what may not be written can't have been written.
func asDamage(err error, offset int) error {
	var in *fault.Input
	if !errors.As(err, &in) {
		return err
	}
	return fault.Damaged("", int64(offset), "%s %s", in.Field, in.Reason)
}
