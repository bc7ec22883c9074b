package backup

// RawFrame is a frame whose payload tests choose.
type RawFrame struct {
	Part    Part
	Payload []byte
}

// Frames seals frames one after another.
func Frames(frames ...RawFrame) []byte {
	var s sealer
	var out []byte
	for _, f := range frames {
		out = s.seal(out, f.Part, f.Payload)
	}
	return out
}
