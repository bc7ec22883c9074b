// Package imports names the packages whose types the pieces of source in determinism_test.go need.
package imports

import (
	_ "hash/maphash"
	_ "maps"
	_ "math"
	_ "math/bits"
	_ "math/rand/v2"
	_ "slices"
	_ "strconv"
	_ "time"
)
