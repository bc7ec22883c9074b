package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestCollectionsAreFilledAndPrinted(t *testing.T) {
	dir := shop(t)
	collect := func(args ...string) string {
		t.Helper()
		args = append([]string{"collect", "--dir", dir, "--user", "ada", "--json"}, args...)
		return answer[writtenResult](t, good(t, args...)).Position
	}
	if at := collect("--collection", "later", "a", "b", "--", "-c"); at == "" {
		t.Error("nothing says where it was written")
	}
	collect("--collection", "gifts", "a")
	collect("--collection", "later", "--off", "b", "x")
	all := answer[collectionsResult](t, good(t, "collections", "--dir", dir, "--user", "ada", "--json"))
	if got := fmt.Sprint(all); got != "{ada [{gifts 1} {later 2}]}" {
		t.Errorf("%s", got)
	}
	page := func(after string) collectedResult {
		t.Helper()
		return answer[collectedResult](t, good(t, "collections", "--dir", dir, "--user", "ada", "--collection", "later",
			"--limit", "1", "--after", after, "--json"))
	}
	first := page("")
	second := page(first.Next)
	if first.Next != "-c" || first.Items[0].Added == "" || second.Items[0].Item != "a" || len(page(second.Next).Items) != 0 {
		t.Errorf("%+v, %+v", first, second)
	}
	r := answer[userResult](t, good(t, "user", "--dir", dir, "--user", "ada", "--json"))
	if got := fmt.Sprint(r.Ties[1]); len(r.Ties) != 2 || got != "{item a [] []  [gifts later]}" {
		t.Errorf("%+v", r.Ties)
	}
	if o := good(t, "user", "--dir", dir, "--user", "ada"); !strings.Contains(o.stdout, "in gifts, in later") {
		t.Errorf("%s", o.stdout)
	}
	o := good(t, "collections", "--dir", dir, "--user", "ada")
	if lines := strings.Split(o.stdout, "\n"); !strings.HasPrefix(lines[0], "collection") || !strings.HasPrefix(lines[2], "later") {
		t.Errorf("%s", o.stdout)
	}
	o = good(t, "collections", "--dir", dir, "--user", "ada", "--collection", "later", "--limit", "1")
	if !strings.HasSuffix(o.stdout, "\nMore: --after -c\n") {
		t.Errorf("%s", o.stdout)
	}
	if o = good(t, "collections", "--dir", dir, "--user", "ada", "--collection", "none"); o.stdout != "There are none.\n" {
		t.Errorf("%s", o.stdout)
	}
	trouble(t, exitNotFound, "not_found", []string{`user "eve"`}, "collections", "--dir", dir, "--user", "eve")
	trouble(t, exitRefused, "refused", []string{"collection", "65 bytes"},
		"collect", "--dir", dir, "--user", "ada", "--collection", strings.Repeat("n", 65), "a")
	for _, args := range []string{
		"collect --dir D --user u --collection c", "collect --dir D --user u i", "collect --dir D --collection c i",
		"collections --dir D", "collections --dir D --user u --after i", "collections --dir D --user u --limit 5",
		"collections --dir D --user u --collection c --limit 0",
	} {
		trouble(t, exitUsage, "usage", nil, strings.Fields(strings.Replace(args, "D", dir, 1))...)
	}
}

func TestACohortsCountsArePrinted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	rows := "type,item,user,cohorts\nlike,a,ada,web\nlike,a,bob,\nlike,b,bob,\n"
	good(t, "import", "--dir", dir, "--format", "csv", write(t, "events.csv", rows))
	get := []string{"get", "--dir", dir, "--type", "like", "--cohort", "web"}
	r := answer[cellResult](t, good(t, append(get, "--item", "a", "--json")...))
	if r.Total != 1 || r.Cohort != "web" {
		t.Errorf("%+v", r)
	}
	if o := good(t, append(get, "--item", "a")...); !strings.Contains(o.stdout, "cohort") {
		t.Errorf("%s", o.stdout)
	}
	if o := good(t, append(get, "--all")...); !strings.HasPrefix(o.stdout, "like of web at ") {
		t.Errorf("%s", o.stdout)
	}
	if r = answer[cellResult](t, good(t, "get", "--dir", dir, "--type", "like", "--item", "a", "--json")); r.Total != 2 ||
		r.Cohort != "" {
		t.Errorf("%+v", r)
	}
}
