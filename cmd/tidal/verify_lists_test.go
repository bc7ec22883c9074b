package main

import (
	"fmt"
	"strings"
	"testing"
)

const hideA = `{"op":"hide","user":"u","which":"hide","target":"a","begin":1,"end":2}` + "\n"

func TestVerifyListsFindsWhatWasServedThoughHidden(t *testing.T) {
	sound := hideA + `{"op":"list","user":"u","items":["b"],"begin":3,"end":4}` + "\n"
	if r := answer[listsResult](t, good(t, "verify", "--lists", write(t, "h", sound), "--json")); fmt.Sprint(r) != "{2 1 1 []}" {
		t.Errorf("%+v", r)
	}
	if o := cli(t, strings.NewReader(sound), "verify", "--lists", "-"); o.code != exitOK || !strings.Contains(o.stdout, "Nothing that was hidden was served") {
		t.Errorf("%+v", o)
	}
	leak := write(t, "h", hideA+`{"op":"list","user":"u","items":["b","a"],"begin":3,"end":4}`+"\n")
	o := cli(t, nil, "verify", "--lists", leak, "--json")
	if r := answer[listsResult](t, o); o.code != exitFailure || fmt.Sprint(r) != "{2 1 2 [{2 a 1}]}" ||
		!strings.Contains(o.stderr, "operation 2 is a list with a, which operation 1 had hidden") {
		t.Errorf("%+v", o)
	}
	if o := cli(t, nil, "verify", "--lists", leak); o.code != exitFailure || strings.Contains(o.stdout, "Nothing") {
		t.Errorf("%+v", o)
	}
	trouble(t, exitRefused, "refused", []string{"line 1", "dance"}, "verify", "--lists", write(t, "h", `{"op":"dance"}`))
	trouble(t, exitNotFound, "not_found", []string{"none"}, "verify", "--lists", "none")
	trouble(t, exitUsage, "usage", []string{"by itself"}, "verify", "--lists", leak, "--dir", t.TempDir())
}
