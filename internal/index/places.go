package index

import (
	"math"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// places is the view of a geo field: exact coordinates, and the items of each cell of one degree by one, which a search
// around a place looks through.
type places struct {
	filled
	lats, lons column[float64]
	cells      column[uint16] // number of the cell and 1; 0 is unset
	rows       [latCells]*cellRow
}

// cellRow is the cells of a degree of latitude.
type cellRow struct {
	n     int
	sizes [lonCells]uint32 // of the cells' sets once more: close together, for estimates
	cells [lonCells]posting
}

const (
	latCells = 180
	lonCells = 360
)

// cellOf returns row and column of the cell of a place; those on the far borders belong to the last ones.
func cellOf(lat, lon float64) (row, col int) {
	return min(int(lat+90), latCells-1), min(int(lon+180), lonCells-1)
}

func (p *places) set(n state.Ord, v schema.Value) {
	lat, lon, ok := v.Geo()
	was := p.cells.get(n)
	var now uint16
	if ok {
		row, col := cellOf(lat, lon)
		now = uint16(row*lonCells+col) + 1
		*p.lats.at(n), *p.lons.at(n) = lat, lon
	}
	if was == now {
		return
	}
	*p.cells.at(n) = now
	if was != 0 {
		row, col := p.row(was), (was-1)%lonCells
		row.cells[col].remove(n)
		row.sizes[col]--
		row.n--
	} else {
		p.enter(n)
	}
	if now != 0 {
		row, col := p.row(now), (now-1)%lonCells
		row.cells[col].add(n)
		row.sizes[col]++
		row.n++
	} else {
		p.leave(n)
	}
}

func (p *places) row(cell uint16) *cellRow {
	row := &p.rows[(cell-1)/lonCells]
	if *row == nil {
		*row = new(cellRow)
	}
	return *row
}

func (p *places) has(n state.Ord) bool { return p.cells.get(n) != 0 }

func (p *places) bytes() int64 {
	sum := p.lats.bytes(8) + p.lons.bytes(8) + p.cells.bytes(2) + bitmapBytes(p.items)
	for _, row := range p.rows {
		if row == nil {
			continue
		}
		sum += lonCells * (40 + 4)
		for i := range row.cells {
			sum += row.cells[i].bytes()
		}
	}
	return sum
}

// earthRadius is the mean radius of the earth in metres, as [query.Distance] has it.
const earthRadius = 6371008.7714

// disc is the places within a distance of a centre.
type disc struct {
	lat, lon, meters float64 // of the centre in degrees; the distance
	cosLat           float64
	band             float64 // degrees of latitude that the disc reaches north and south
	threshold        float64 // of haversines; negative for a disc without a place
}

func newDisc(lat, lon, meters float64) disc {
	d := disc{lat: lat, lon: lon, meters: meters, cosLat: math.Cos(lat * math.Pi / 180), threshold: -1}
	if !(meters >= 0) {
		return d
	}
	angle := min(meters/earthRadius, math.Pi)
	half := math.Sin(angle / 2)
	d.threshold = half * half
	// The millionth of a degree, 0.1 m, is more than what rounding costs the haversine, at the antipode too.
	d.band = angle*180/math.Pi + 1e-6
	return d
}

// has reports whether [query.Distance] puts a place in the disc. Nearly always the haversine tells, without a root and
// an arc sine.
func (d *disc) has(lat, lon float64) bool {
	if math.Abs(lat-d.lat) > d.band {
		return false
	}
	const rad, margin = math.Pi / 180, 1e-12
	a, b := math.Sin((lat-d.lat)*rad/2), math.Sin((lon-d.lon)*rad/2)
	h := a*a + d.cosLat*math.Cos(lat*rad)*b*b
	switch {
	case h < d.threshold*(1-margin):
		return true
	case h > d.threshold*(1+margin):
		return false
	}
	return query.Distance(lat, lon, d.lat, d.lon) <= d.meters
}

// lonBand is how many degrees of longitude the disc reaches east and west; 180 if it holds a pole.
func (d *disc) lonBand() float64 {
	if d.lat+d.band >= 90 || d.lat-d.band <= -90 {
		return 180
	}
	return math.Asin(min(math.Sin(d.band*math.Pi/180)/d.cosLat, 1))*180/math.Pi + 1e-6
}

// box is cells: rows from low to high, and width columns from first on, around the world.
type box struct{ low, high, first, width int }

// box returns the cells that the disc may reach.
func (d *disc) box() box {
	low, _ := cellOf(max(d.lat-d.band, -90), 0)
	high, _ := cellOf(min(d.lat+d.band, 90), 0)
	b := box{low, high, 0, lonCells}
	if band := d.lonBand(); band < 179 {
		b.first = int(math.Floor(d.lon - band + 180))
		b.width = min(int(math.Floor(d.lon+band+180))-b.first+1, lonCells)
	}
	return b
}

// around yields the rows and columns of the cells that the disc may reach and that have items. It yields column -1 for
// all of a row.
func (p *places) around(d *disc, yield func(row *cellRow, col int)) {
	if d.threshold < 0 {
		return
	}
	b := d.box()
	for i := b.low; i <= b.high; i++ {
		row := p.rows[i]
		switch {
		case row == nil || row.n == 0:
		case b.width == lonCells:
			yield(row, -1)
		default:
			for j := range b.width {
				if col := ((b.first+j)%lonCells + lonCells) % lonCells; row.sizes[col] > 0 {
					yield(row, col)
				}
			}
		}
	}
}

// estimate returns how many items the cells of a disc hold, and how many of them lie in it if they are spread evenly.
func (p *places) estimate(d *disc) (cells, within float64) {
	if d.threshold < 0 {
		return 0, 0
	}
	sum := 0
	p.around(d, func(row *cellRow, col int) {
		if col < 0 {
			sum += row.n
		} else {
			sum += int(row.sizes[col])
		}
	})
	b := d.box()
	area := float64(b.high-b.low+1) * float64(b.width)
	return float64(sum), float64(sum) * min(math.Pi*d.band*d.lonBand()/area, 1)
}

// collect returns the items that lie in the disc.
func (p *places) collect(d *disc) *roaring.Bitmap {
	b := roaring.New()
	p.around(d, func(row *cellRow, col int) {
		if col >= 0 {
			row.cells[col].addTo(b)
			return
		}
		for i := range row.cells {
			row.cells[i].addTo(b)
		}
	})
	return where(b, func(n state.Ord) bool { return d.has(p.lats.get(n), p.lons.get(n)) })
}
