package record

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// unhex reads hex with blanks between the parts.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBodiesHaveOneEncoding(t *testing.T) {
	const ident = "0175" // "u" as a text; as an id with generation it is 0275
	for name, tc := range map[string]struct {
		kind Kind
		body string
	}{
		"number not in its shortest form":  {KindErase, "8100 75"},
		"number cut short":                 {KindErase, "81"},
		"number beyond 64 bits":            {KindFormatLevel, "ffffffffffffffffff7f"},
		"level beyond 32 bits":             {KindFormatLevel, "8080808010"},
		"length beyond the end":            {KindErase, "0275"},
		"length far beyond the end":        {KindErase, "ffffffffffffffff7f75"},
		"byte behind the end":              {KindErase, ident + "00"},
		"nothing":                          {KindErase, ""},
		"empty user":                       {KindErase, "00"},
		"signal with unknown flags":        {KindSignal, "10 00 01 0275"},
		"signal type beyond 16 bits":       {KindSignal, "00 808004 01 0275"},
		"signal without weight":            {KindSignal, "00 00 00 0275"},
		"signal with too much weight":      {KindSignal, "00 00 81808080c0aeb80e 0275"},
		"signal with an empty user":        {KindSignal, "01 00 01 0275 00"},
		"signal with an empty creator":     {KindSignal, "02 00 01 0275 00"},
		"signal with no cohort":            {KindSignal, "04 00 01 0275 00"},
		"signal with nine cohorts":         {KindSignal, "04 00 01 0275 09 0161 0162 0163 0164 0165 0166 0167 0168 0169"},
		"signal with cohorts out of order": {KindSignal, "04 00 01 0275 02 0162 0161"},
		"signal with a cohort twice":       {KindSignal, "04 00 01 0275 02 0161 0161"},
		"signal with an empty reference":   {KindSignal, "08 00 01 0275 00"},
		"generation of zero":               {KindSignal, "00 00 01 0375 0000000000000000"},
		"generation cut short":             {KindSignal, "00 00 01 0375 00000000000000"},
		"mark 0":                           {KindMark, "00 01 0275 0275"},
		"mark 5":                           {KindMark, "05 01 0275 0275"},
		"mark neither on nor off":          {KindMark, "01 02 0275 0275"},
		"relation 0":                       {KindRelation, "00 01 0275 0175"},
		"entity kind 0":                    {KindPut, "00 0175 00"},
		"entity kind 4":                    {KindPut, "04 0175 00"},
		"put that clears a field":          {KindPut, "01 0175 01 0161 00"},
		"fields out of order":              {KindPatch, "01 0175 02 0162 00 0161 00"},
		"field twice":                      {KindPatch, "01 0175 02 0161 00 0161 00"},
		"field without a name":             {KindPatch, "01 0175 01 00 00"},
		"265 fields":                       {KindPatch, "01 0175 8902"},
		"delete with fields":               {KindDelete, "01 0175 00"},
		"compensation of seq 0":            {KindCompensate, "00 00 00 00 00" + strings.Repeat("00", 16) + "00 00 01 0275"},
		"compensation of region 65536":     {KindCompensate, "808004 00 00 01 00" + strings.Repeat("00", 16) + "00 00 01 0275"},
		"compensation of a bad signal":     {KindCompensate, "00 00 00 01 00" + strings.Repeat("00", 16) + "00 00 00 0275"},
		"schema without bytes":             {KindSchemaVersion, strings.Repeat("00", 16)},
		"annotation without a name":        {KindAnnotation, "00"},
	} {
		var p Proposed
		body := unhex(t, tc.body)
		err := p.DecodeBody(tc.kind, body)
		var damage *fault.Corrupt
		if !errors.As(err, &damage) {
			t.Errorf("%s: %v", name, err)
		} else if damage.Offset < 0 || damage.Offset > int64(len(body)) {
			t.Errorf("%s: offset %d of %d", name, damage.Offset, len(body))
		}
	}
	var p Proposed
	if err := p.DecodeBody(KindSignal, unhex(t, "00 00 01 0275")); err != nil {
		t.Errorf("the signal that the damaged ones come from: %v", err)
	}
}

// payload wraps a payload into a header that holds.
func payload(t testing.TB, first, last, count uint64, text string) []byte {
	t.Helper()
	b := unhex(t, text)
	h := Header{Version: Version, First: id.Seq(first), Last: id.Seq(last), Count: count, Timestamp: sampleNanos}
	data, err := EncodeHeader(nil, &h, b)
	if err != nil {
		t.Fatal(err)
	}
	return append(data, b...)
}

func TestPayloadsHaveOneEncoding(t *testing.T) {
	const (
		fixed   = "01 00 00000000" + "00000000000000000000000000000000" + "0100000000000000" + "0000000000000000"
		bare    = "28" + fixed + "01 00"           // no producers
		one     = "2a" + fixed + "01 01 0161"      // producer "a"
		two     = "2c" + fixed + "01 02 0161 0162" // producers "a" and "b"
		project = "28 01 01" + "00000000" + "00000000000000000000000000000000" + "0100000000000000" +
			"0000000000000000" + "01 00"
		// A record: length, kind 7, flags, time, stamp, … and the user "u".
		first  = "06 07 00 00 00 0175"
		second = "06 07 00 00 01 0175"
		laned  = "12 07 04 00 00 00 01 00 1111111111111111 01 0175"
	)
	for name, tc := range map[string]struct {
		last, count uint64
		text        string
		good        bool
	}{
		"two records":                         {2, 2, bare + first + second, true},
		"a record in a lane":                  {1, 1, one + laned, true},
		"an empty projection":                 {9, 0, project, true},
		"projection":                          {9, 2, project + "07 07 00 00 00 00 0175" + "07 07 08 00 00 01 0175", true},
		"projection beyond its range":         {9, 1, project + "07 07 09 00 00 00 0175", false},
		"projection that doesn't rise":        {9, 2, project + "07 07 03 00 00 00 0175" + "07 07 03 00 00 01 0175", false},
		"fewer records and no projection":     {2, 1, bare + first, false},
		"fewer records than announced":        {2, 2, bare + first, false},
		"more records than announced":         {1, 1, bare + first + second, false},
		"stamps that don't rise":              {2, 2, bare + first + first, false},
		"length not in its shortest form":     {1, 1, bare + "8600 07 00 00 00 0175", false},
		"length beyond the end":               {1, 1, bare + "07 07 00 00 00 0175", false},
		"empty record":                        {1, 1, bare + "00", false},
		"kind 0":                              {1, 1, bare + "06 00 00 00 00 0175", false},
		"unknown flags":                       {1, 1, bare + "06 07 40 00 00 0175", false},
		"assigned and clamped":                {1, 1, bare + "06 07 03 00 00 0175", false},
		"time out of range":                   {1, 1, bare + "0e 07 00 ffffffffffffffff7f 00 0175", false},
		"stamp beyond 64 bits":                {1, 1, bare + "0f 07 00 00 ffffffffffffffffff01 0175", false},
		"register stamp equal to the stamp":   {1, 1, bare + "07 07 20 00 00 00 0175", false},
		"empty key":                           {1, 1, bare + "10 07 08 00 00 1111111111111111 01 00 0175", false},
		"key of no records":                   {1, 1, bare + "11 07 08 00 00 1111111111111111 00 016b 0175", false},
		"trace of zero":                       {1, 1, bare + "16 07 10 00 00" + strings.Repeat("00", 16) + "0175", false},
		"trace cut short":                     {1, 1, bare + "06 07 10 00 00 0175", false},
		"producer that isn't there":           {1, 1, bare + laned, false},
		"producer that nobody uses":           {1, 1, one + first, false},
		"producers out of order":              {1, 1, two + "12 07 04 00 00 01 01 00 1111111111111111 01 0175", false},
		"request 0":                           {1, 1, one + "12 07 04 00 00 00 00 00 1111111111111111 01 0175", false},
		"request of no records":               {1, 1, one + "12 07 04 00 00 00 01 00 1111111111111111 00 0175", false},
		"request of two records, one is here": {1, 1, one + "12 07 04 00 00 00 01 00 1111111111111111 02 0175", false},
		"request that begins in the middle":   {1, 1, one + "09 07 04 00 00 00 01 01 0175", false},
		"extension with unknown flags":        {1, 1, strings.Replace(bare, "01 00", "01 02", 1) + first, false},
		"extension of version 0":              {1, 1, strings.Replace(bare, "01 00", "00 00", 1) + first, false},
		"extension with a byte too many":      {1, 1, "29" + fixed + "01 00 00" + first, false},
		"extension that is cut short":         {1, 1, "27" + fixed + "01" + first, false},
		"extension beyond the end":            {1, 1, "7f" + fixed + "01 00", false},
		"level 0":                             {1, 1, "28" + fixed + "00 00" + first, false},
		"producer named twice":                {1, 1, "2c" + fixed + "01 02 0161 0161" + laned, false},
		"producer without a name":             {1, 1, "29" + fixed + "01 01 00" + laned, false},
		"more producers than bytes":           {1, 1, "2a" + fixed + "01 ffff01 00" + laned, false},
		"nothing":                             {1, 1, "", false},
	} {
		data := payload(t, 1, tc.last, tc.count, tc.text)
		b, err := Open(data)
		if err == nil {
			err = b.Verify()
		}
		var damage *fault.Corrupt
		switch {
		case tc.good && err != nil:
			t.Errorf("%s: %v", name, err)
		case tc.good:
			if again := rebuild(t, &b); !bytes.Equal(again, data) {
				t.Errorf("%s: built again it differs:\n%x\n%x", name, data, again)
			}
		case !errors.As(err, &damage):
			t.Errorf("%s: %v", name, err)
		case damage.Offset < 0 || damage.Offset > int64(len(data)):
			t.Errorf("%s: offset %d of %d", name, damage.Offset, len(data))
		}
	}
}

func TestManyProducersAreToldApart(t *testing.T) {
	for _, n := range []int{0, 1, 2, 255, 256, 257, 5000} {
		list := make([]string, n)
		for i := range list {
			list[i] = strings.Repeat("x", i/256) + string(rune(i))
		}
		if i := repeated(list); i != -1 {
			t.Errorf("of %d distinct ones number %d is called repeated", n, i)
		}
		if n > 1 {
			list[n-1] = list[n/2-1]
			if i := repeated(list); i != n-1 {
				t.Errorf("of %d with one twice number %d is called repeated", n, i)
			}
		}
	}
}
