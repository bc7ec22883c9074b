package state

import "encoding/binary"

// handle is the address of a block in units of 8 bytes; 0 is no block.
type handle uint32

const (
	pageBits  = 20 // bytes of a page, as a power of two
	pageBytes = 1 << pageBits
	unit      = 8
	pageUnits = pageBytes / unit
	// largestClass is the largest block that is carved from a page; larger ones get memory of their own.
	largestClass = 64 << 10
)

// Block layout, little endian:
//
//	0  u32  next block of the owner's chain (free blocks: next free block of the class)
//	4  u32  owner's ordinal
//	8  u32  hash of the key, as the index compares it
//	12 u32  length of the value
//	16 u16  length of the sub-key
//	18 u8   record kind
//	19 u8   owner kind
//	20 u8   size class
//	21 u32  previous block of the owner's chain; 0 for the first
//	25      sub-key, then value
const blockHeader = 25

// arena hands out blocks of bytes in size classes. A freed block is reused for the same class only.
type arena struct {
	pages      [][]byte
	used       uint32 // units used of the last page
	free       [maxClasses]handle
	large      [][]byte // by number; nil is free
	freeLarge  []uint32
	largeBytes int64
	live       int64 // bytes of blocks handed out, large ones among them
}

// Handles of large blocks count down from the top; pages count up to lastPaged. A number is used again once its block
// is released, so that they meet only when 24 GiB are in pages, or a billion large blocks live at once.
const (
	firstLarge = handle(1<<32 - 1)
	lastPaged  = firstLarge / 4 * 3
)

// maxClasses bounds the table of classes: 16-byte steps up to 256, then four steps an octave up to 64 KiB.
const maxClasses = 16 + 4*8 + 1

// largeClass marks blocks that have memory of their own.
const largeClass = 255

// classOf returns the smallest class that holds n bytes.
func classOf(n int) uint8 {
	if n <= 256 {
		return uint8((n + 15) / 16)
	}
	if n > largestClass {
		return largeClass
	}
	class, size := 16, 256
	for size < n {
		// Four steps an octave: 256, 320, 384, 448, 512, 640, …
		octave := 256 << ((class - 16) / 4)
		size += octave / 4
		class++
	}
	return uint8(class)
}

// classBytes is the size of a class's blocks.
func classBytes(class uint8) int {
	if class <= 16 {
		return int(class) * 16
	}
	steps := int(class) - 16
	octave := 256 << (steps / 4)
	return octave + (steps%4)*(octave/4)
}

// alloc returns a block that holds n bytes; its contents are undefined but for the class.
func (a *arena) alloc(n int) (handle, []byte) {
	class := classOf(n)
	if class == largeClass {
		return a.allocLarge(n)
	}
	size := classBytes(class)
	a.live += int64(size)
	if h := a.free[class]; h != 0 {
		b := a.bytes(h)
		a.free[class] = handle(binary.LittleEndian.Uint32(b))
		return h, b
	}
	units := uint32(size / unit)
	if len(a.pages) == 0 || a.used+units > pageUnits {
		a.pages = append(a.pages, make([]byte, pageBytes))
		a.used = 0
		if len(a.pages) == 1 {
			a.used = 2 // handle 0 means none
		}
	}
	h := handle(uint32(len(a.pages)-1)*pageUnits + a.used)
	if h >= lastPaged {
		panic("state: arena is beyond 24 GiB")
	}
	a.used += units
	b := a.at(h, size)
	b[20] = class
	return h, b
}

func (a *arena) allocLarge(n int) (handle, []byte) {
	b := make([]byte, n+n/4)
	b[20] = largeClass
	number := uint32(len(a.large))
	if last := len(a.freeLarge) - 1; last >= 0 {
		number = a.freeLarge[last]
		a.freeLarge = a.freeLarge[:last]
		a.large[number] = b
	} else {
		a.large = append(a.large, b)
	}
	a.largeBytes += int64(len(b))
	a.live += int64(len(b))
	return firstLarge - handle(number), b
}

// release gives a block back.
func (a *arena) release(h handle) {
	b := a.bytes(h)
	a.live -= int64(len(b))
	class := b[20]
	if class == largeClass {
		number := uint32(firstLarge - h)
		a.large[number] = nil
		a.freeLarge = append(a.freeLarge, number)
		a.largeBytes -= int64(len(b))
		return
	}
	binary.LittleEndian.PutUint32(b, uint32(a.free[class]))
	a.free[class] = h
}

// bytes returns the whole block of h.
func (a *arena) bytes(h handle) []byte {
	if h > lastPaged {
		return a.large[firstLarge-h]
	}
	page := a.pages[h/pageUnits]
	off := int(h%pageUnits) * unit
	size := classBytes(page[off+20])
	return page[off : off+size : off+size]
}

func (a *arena) at(h handle, size int) []byte {
	page := a.pages[h/pageUnits]
	off := int(h%pageUnits) * unit
	return page[off : off+size : off+size]
}

// reserved is the memory that the arena holds, handed out or not.
func (a *arena) reserved() int64 { return int64(len(a.pages))*pageBytes + a.largeBytes }
