package query

import "fmt"

// checkSize refuses a filter that is nested too deep or has too many conditions. It comes first wherever a filter is
// walked, so that nothing else needs to fear one that never ends.
func checkSize(path string, x Expr) *Error {
	conditions := 0
	return sizeAt(path, x, &conditions)
}

func sizeAt(path string, x Expr, conditions *int) *Error {
	if e := size(x, 0, conditions); e != nil {
		e.Path = path + e.Path
		return e
	}
	return nil
}

// size walks a filter and adds up its conditions; the path of its error begins at x.
func size(x Expr, depth int, conditions *int) *Error {
	if depth > maxDepth {
		return refuse("", "is nested more than %d deep; filters are at most %d deep", maxDepth, maxDepth)
	}
	switch x := x.(type) {
	case And:
		if len(x) > 0 {
			return sizeList("and", x, depth, conditions)
		}
	case Or:
		if len(x) > 0 {
			return sizeList("or", x, depth, conditions)
		}
	case Not:
		e := size(x.X, depth+1, conditions)
		if e != nil {
			e.Path = ".not" + e.Path
		}
		return e
	case In:
		if len(x.Values) > maxValues {
			return refuse(".in", "has %d values; an IN has at most %d", len(x.Values), maxValues)
		}
	}
	if *conditions++; *conditions > maxConditions {
		return refuse("", "is one condition too many; a query's filters have at most %d together", maxConditions)
	}
	return nil
}

func sizeList(word string, list []Expr, depth int, conditions *int) *Error {
	for i, x := range list {
		if e := size(x, depth+1, conditions); e != nil {
			e.Path = fmt.Sprintf(".%s[%d]%s", word, i, e.Path)
			return e
		}
	}
	return nil
}
