package schema

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
)

// drawPolicies draws policies that name only types that s has.
func drawPolicies(t *rapid.T, s *Schema) []SessionPolicy {
	var drawn []SessionPolicy
	span := func(what string) time.Duration {
		return rapid.SampledFrom([]time.Duration{0, time.Millisecond, 90 * time.Second, maxPolicyDuration}).Draw(t, what)
	}
	for _, name := range drawNames(t, 3) {
		p := SessionPolicy{Name: name, MaxDuration: span("longest"), Idle: span("idle")}
		if len(s.Signals) > 0 {
			for _, i := range rapid.SliceOfDistinct(rapid.IntRange(0, len(s.Signals)-1), rapid.ID[int]).Draw(t, "types") {
				p.Types = append(p.Types, s.Signals[i].Name)
			}
		}
		if p.Rate = rapid.SampledFrom([]float64{0, 0.1, 2, maxPolicyRate}).Draw(t, "rate"); p.Rate > 0 {
			p.Burst = rapid.IntRange(0, maxPolicyBurst).Draw(t, "burst")
		}
		drawn = append(drawn, p)
	}
	return drawn
}

// policySchema uses every part of policies.
func policySchema(t testing.TB) *Schema {
	s := Events()
	s.Name = "policies"
	s.SessionPolicies = []SessionPolicy{
		{Name: "open"},
		{
			Name: "careful", Types: []string{"view", "like"}, MaxDuration: time.Hour, Idle: 10 * time.Minute, Rate: 2.5,
			Burst: 10,
		},
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPoliciesSayWhatTheyAllow(t *testing.T) {
	s := policySchema(t)
	careful, ok := s.SessionPolicy("careful")
	if !ok || !careful.Allows("view") || careful.Allows("skip") {
		t.Errorf("%+v, %v", careful, ok)
	}
	if open, ok := s.SessionPolicy("open"); !ok || !open.Allows("skip") {
		t.Errorf("%+v, %v", open, ok)
	}
	if _, ok := s.SessionPolicy("none"); ok {
		t.Error("found a policy that isn't there")
	}
}

func TestPoliciesAreASetAndHaveAFormatOfTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		enc := s.Encode()
		if (len(s.SessionPolicies) > 0) != (enc[4] == formatPolicy) {
			t.Fatalf("%d policies in format %d", len(s.SessionPolicies), enc[4])
		}
		s.SessionPolicies = rapid.Permutation(s.SessionPolicies).Draw(t, "policies")
		if !bytes.Equal(enc, s.Encode()) {
			t.Fatal("the order shows")
		}
	})
}

func TestPoliciesAreValidated(t *testing.T) {
	for _, c := range []struct {
		change func(*Schema)
		want   string
	}{
		{func(s *Schema) { s.SessionPolicies[0].Types[0] = "likes" }, `session_policies[0].types[0]: "likes" is no signal type (did you mean "like"?)`},
		{func(s *Schema) { s.SessionPolicies[0].Types[1] = "like" }, `session_policies[0].types[1]: "like" is listed twice`},
		{func(s *Schema) { s.SessionPolicies[0].Name = "open" }, `session_policies[1].name: "open" is there twice`},
		{func(s *Schema) { s.SessionPolicies[0].Name = "Open" }, `session_policies[0].name: "Open" is not a name`},
		{func(s *Schema) { s.SessionPolicies[0].MaxDuration = -time.Second }, "session_policies[0].max_duration: is -1s"},
		{func(s *Schema) { s.SessionPolicies[0].Idle = time.Microsecond }, "session_policies[0].idle: is 1\u00b5s"},
		{func(s *Schema) { s.SessionPolicies[0].Rate = -1 }, "session_policies[0].rate: is -1"},
		{func(s *Schema) { s.SessionPolicies[0].Rate = 0 }, "session_policies[0].burst: stands without a rate"},
		{func(s *Schema) { s.SessionPolicies[0].Burst = 1 << 20 }, "session_policies[0].burst: is 1048576"},
		{func(s *Schema) {
			s.SessionPolicies = nil
			for i := range 65 {
				s.SessionPolicies = append(s.SessionPolicies, SessionPolicy{Name: strings.Repeat("a", i+1)})
			}
		}, "session_policies: has 65 policies of sessions, at most 64"},
	} {
		s := policySchema(t)
		c.change(s)
		if err := s.Validate(); err == nil || !errors.Is(err, fault.ErrInput) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestPoliciesNeverChange(t *testing.T) {
	parent := policySchema(t)
	added, err := parent.Extend(func(s *Schema) {
		s.SessionPolicies = append(s.SessionPolicies, SessionPolicy{Name: "more", Rate: 1})
	})
	if err != nil || len(added.SessionPolicies) != 3 {
		t.Fatalf("%+v, %v", added, err)
	}
	for _, c := range []struct {
		change func(*SessionPolicy)
		want   string
	}{
		{func(p *SessionPolicy) { p.Types = nil }, "session_policies.careful.types: was [like, view], would be []"},
		{func(p *SessionPolicy) { p.MaxDuration *= 2 }, "session_policies.careful.max_duration: was 1h, would be 2h"},
		{func(p *SessionPolicy) { p.Idle = 0 }, "session_policies.careful.idle: was 10m"},
		{func(p *SessionPolicy) { p.Rate = 3 }, "session_policies.careful.rate: was 2.5, would be 3"},
		{func(p *SessionPolicy) { p.Burst = 11 }, "session_policies.careful.burst: was 10, would be 11"},
		{func(p *SessionPolicy) { p.Name = "other" }, "session_policies.careful: was there, would be gone"},
	} {
		_, err := parent.Extend(func(s *Schema) { c.change(&s.SessionPolicies[0]) })
		if !errors.Is(err, fault.ErrSchema) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestUnionOfPolicies(t *testing.T) {
	base := policySchema(t)
	add := func(policies ...SessionPolicy) *Schema {
		next, err := base.Extend(func(s *Schema) { s.SessionPolicies = append(s.SessionPolicies, policies...) })
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	a := add(SessionPolicy{Name: "both", Rate: 1}, SessionPolicy{Name: "ours"})
	b := add(SessionPolicy{Name: "both", Rate: 2}, SessionPolicy{Name: "theirs"})
	u, err := Union(base, a, b)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Union(base, b, a)
	if err != nil || !bytes.Equal(u.Encode(), v.Encode()) {
		t.Errorf("the order shows: %v", err)
	}
	both, _ := u.SessionPolicy("both")
	if len(u.SessionPolicies) != 5 || both.Rate != 1 { // little endian: its bytes are the larger ones
		t.Errorf("united to %+v", u.SessionPolicies)
	}
}
