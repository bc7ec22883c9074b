//go:build !planted_ack_before_sync

package planted

// AckBeforeSync reports appends as durable that were only written.
const AckBeforeSync = false
