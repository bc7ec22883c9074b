// Package token makes the texts that leave the database and come back to it: the reference of an item in a list
// ([Ref]), lists that are pinned for a next page or for another look ([Pinned]), and what somebody has seen ([Seen]). They are sealed, so that what comes
// back is what was given out, by this database or one that has its keys.
//
//	b := token.AppendRef(nil, keys, &ref)
//	back, err := token.OpenRef(keys, b)
//
// A token is authentic, not secret: whoever holds it can read what is in it. The package draws no keys and keeps none; it
// doesn't know what a list is for, nor who may see it.
package token
