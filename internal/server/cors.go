package server

import (
	"net/http"
	"slices"
	"strings"
)

// Pages of other origins may use the API where the server is told of them ([Options.Origins]): the browser asks first whether a page may send what
// it's about to send, and hides from it whatever isn't said to be for it. See https://fetch.spec.whatwg.org/#http-cors-protocol. No
// credentials of the browser's are let through, as there are none: keys are in a header that the page sets.

// AnyOrigin among origins is every page that anybody opens.
const AnyOrigin = "*"

// preflightRoute is what preflights count as.
const preflightRoute = "preflight"

// What pages may send and read, beside what they always may.
var (
	corsMethods = strings.Join([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, ", ")
	corsHeaders = strings.Join([]string{
		"Authorization", "X-Api-Key", "Content-Type", headerKey, headerToken, headerRead, headerAck, headerRequestID, headerTraceparent, "Tracestate",
		"Connect-Protocol-Version", "Connect-Timeout-Ms", "Grpc-Timeout", "X-Grpc-Web", "X-User-Agent",
	}, ", ")
	corsExposed = strings.Join([]string{
		headerToken, headerReplayed, headerRequestID, headerRegion, headerLeader, "Retry-After", "Content-Disposition", "Grpc-Status", "Grpc-Message",
		"Grpc-Status-Details-Bin",
	}, ", ")
)

// corsAge is for how many seconds a browser may keep the answer to a preflight: two hours, which is as long as any does.
const corsAge = "7200"

// Guard returns what refuses the requests by which a page of another origin could change something, but for the pages of some origins.
// What is no origin is left out.
func Guard(origins []string) *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if origin == AnyOrigin {
			p.AddInsecureBypassPattern("/")
		} else {
			_ = p.AddTrustedOrigin(origin) // who isn't let in is refused
		}
	}
	return p
}

// cors says to a browser what a page may read, and answers one that asks what a page may send. It reports whether that was all.
func (s *Server) cors(c *call) (answered bool) {
	if len(s.allowed) == 0 {
		return false
	}
	h, origin := c.w.Header(), c.r.Header.Get("Origin")
	h.Add("Vary", "Origin")
	preflight := c.r.Method == http.MethodOptions && origin != "" && c.r.Header.Get("Access-Control-Request-Method") != ""
	switch {
	case origin == "":
		return false
	case slices.Contains(s.allowed, AnyOrigin):
		h.Set("Access-Control-Allow-Origin", AnyOrigin)
	case slices.Contains(s.allowed, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	case preflight:
		c.route = preflightRoute
		c.explain(&told{errOrigin, "pages of this origin may not use the server: it isn't among its cors-origins"})
		return true
	default:
		return false // the browser keeps the answer from the page, and what would change something is refused
	}
	h.Set("Access-Control-Expose-Headers", corsExposed)
	if !preflight {
		return false
	}
	c.route = preflightRoute
	h.Del("Access-Control-Expose-Headers")
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", corsAge)
	c.w.WriteHeader(http.StatusNoContent)
	return true
}
