package server

import (
	"testing"
)

func TestAnItemIsPutReadChangedAndDeleted(t *testing.T) {
	w := open(t, nil)
	var receipt struct {
		Position string
		Count    int
	}
	w.want(200, "PUT", "/v1/items/jazz-101", `{"title":"So What","tags":["cool","modal"],"plays":5,"published":"2024-05-01","content":[1,0,0.5],"place":{"lat":40.7,"lon":-74}}`, &receipt)
	if receipt.Position == "" || receipt.Count != 1 {
		t.Fatalf("receipt %+v", receipt)
	}
	got := w.want(200, "GET", "/v1/items/jazz-101", "", nil)
	want := `{"kind":"item","id":"jazz-101","fields":{"content":[1,0,0.5],"place":{"lat":40.7,"lon":-74.0},"plays":5,"published":{"time":"2024-05-01T00:00:00Z"},"tags":["cool","modal"],"title":"So What"},"touched":"2026-03-01T12:00:00Z"}`
	if got.body != want {
		t.Errorf("got  %s\nwant %s", got.body, want)
	}
	w.want(200, "PATCH", "/v1/items/jazz-101", `{"plays":null,"price":3}`, nil)
	got = w.want(200, "GET", "/v1/items/jazz-101", "", nil)
	if want := `{"kind":"item","id":"jazz-101","fields":{"content":[1,0,0.5],"place":{"lat":40.7,"lon":-74.0},"price":3.0,"published":{"time":"2024-05-01T00:00:00Z"},"tags":["cool","modal"],"title":"So What"},"touched":"2026-03-01T12:00:00Z"}`; got.body != want {
		t.Errorf("got  %s\nwant %s", got.body, want)
	}
	w.want(200, "DELETE", "/v1/items/jazz-101", "", nil)
	w.refuses(404, "not_found", "GET", "/v1/items/jazz-101", "")
}
