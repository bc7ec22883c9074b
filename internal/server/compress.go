package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"
)

const (
	encodingGzip = "gzip"
	encodingZstd = "zstd"

	// compressFrom is the size from which on answers are compressed for who takes it.
	compressFrom = 1 << 10
	// maxWindow bounds what a compressed body makes us keep while it is read.
	maxWindow = 8 << 20
)

// zstdReader reads zstd without goroutines and with bounded memory.
type zstdReader struct{ *zstd.Decoder }

func newZstdReader() connect.Decompressor {
	// The options are within their bounds, so this doesn't fail.
	d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(2*maxWindow), zstd.WithDecoderLowmem(true))
	return &zstdReader{d}
}

// Close leaves the decoder fit for the next [zstdReader.Reset]; it holds nothing but memory.
func (r *zstdReader) Close() error { return r.Decoder.Reset(nil) }

func newZstdWriter() connect.Compressor {
	e, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	return e
}

// compressors are kept for the next answer.
type compressors struct{ gzip, zstd sync.Pool }

func (p *compressors) compress(encoding string, data []byte) []byte {
	var out bytes.Buffer
	pool := p.of(encoding)
	w, _ := pool.Get().(connect.Compressor)
	if w == nil {
		w = newCompressor(encoding)
	}
	w.Reset(&out)
	// A buffer takes everything.
	_, _ = w.Write(data)
	_ = w.Close()
	pool.Put(w)
	return out.Bytes()
}

func (p *compressors) of(encoding string) *sync.Pool {
	if encoding == encodingZstd {
		return &p.zstd
	}
	return &p.gzip
}

func newCompressor(encoding string) connect.Compressor {
	if encoding == encodingZstd {
		return newZstdWriter()
	}
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	return w
}

// acceptedEncoding chooses how to compress for a caller: zstd before gzip, nothing where neither is taken.
func acceptedEncoding(header http.Header) string {
	best, bestQ := "", 0.0
	for _, part := range strings.Split(strings.Join(header.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		q := 1.0
		if text, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			parsed, err := strconv.ParseFloat(text, 64)
			if err != nil {
				continue
			}
			q = parsed
		}
		if name != encodingGzip && name != encodingZstd || q <= 0 {
			continue
		}
		if q > bestQ || q == bestQ && name == encodingZstd {
			best, bestQ = name, q
		}
	}
	return best
}

// decompressed reads a request's body as what it is below its Content-Encoding. limit bounds what comes out; 0 is no bound,
// for who reads piece by piece.
func decompressed(r *http.Request, limit int64) (io.ReadCloser, error) {
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	var in io.ReadCloser
	switch encoding {
	case "", "identity":
		in = r.Body
	case encodingGzip:
		g, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, badCompression(err)
		}
		in = g
	case encodingZstd:
		z := newZstdReader().(*zstdReader)
		if err := z.Reset(r.Body); err != nil {
			return nil, badCompression(err)
		}
		in = z
	default:
		return nil, media("bodies are read as they are, or with Content-Encoding gzip or zstd; not %q", encoding)
	}
	return &inflated{ReadCloser: in, left: limit, limit: limit}, nil
}

func badCompression(err error) error {
	if read := readError(err); read == errSlow { //nolint:errorlint // readError returns it as it is
		return read
	}
	return malformed("the body isn't what its Content-Encoding says: %v", err)
}

// inflated stops a body that grows beyond what it may.
type inflated struct {
	io.ReadCloser
	left, limit int64
}

func (b *inflated) Read(p []byte) (int, error) {
	if b.limit == 0 {
		return b.ReadCloser.Read(p)
	}
	if b.left < 0 {
		return 0, tooLarge(b.limit)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, tooLarge(b.limit)
	}
	return n, err
}
