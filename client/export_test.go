package client

import "reflect"

// OptionNames are the fields of Options.
func OptionNames() (names []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Options]()) {
		names = append(names, f.Name)
	}
	return names
}

// Codes are the codes that have a meaning.
func Codes() (codes []string) {
	for _, m := range meanings() {
		codes = append(codes, m.code)
	}
	return codes
}
