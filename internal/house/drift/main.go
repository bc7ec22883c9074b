// Command drift prints the shape of this module: how long files and functions are, how much is exported, documented
// and tested. Nothing fails on it; it is read when a release is cut, and when a figure leaves its band.
//
//	go run ./internal/house/drift [module root]
package main

import (
	"fmt"
	"os"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	shape, err := measure(root)
	if err == nil {
		err = shape.print(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "drift:", err)
		os.Exit(1)
	}
}
