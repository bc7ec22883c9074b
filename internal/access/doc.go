// Package access says who may do what: API keys with a role each, the file that holds them, and the gate that a request
// passes with its headers.
//
//	ring, err := access.Open(vfs.Default, path)
//	who, err := (&access.Gate{Ring: ring}).Enter(now, access.Headers{Authorization: r.Header.Get("Authorization")})
//	if !who.Role.Allows(access.Write) { … }
//
// A key is 256 random bits in a text such as tdl_<id>_<secret>. It is shown once, when it is made; the file API_KEYS
// holds the SHA-256 of the text. A slow hash such as bcrypt defends passwords, which can be guessed; nobody guesses 256
// random bits, and a slow hash in front of every request would be an invitation to be kept busy.
//
// The package serves nothing and logs nothing: it takes texts and times, and answers. When a key was last used isn't
// kept.
package access
