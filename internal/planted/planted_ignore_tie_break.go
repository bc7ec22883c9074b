//go:build planted_ignore_tie_break

package planted

// IgnoreTieBreak leaves origins out when two registers were written under one HLC.
const IgnoreTieBreak = true
