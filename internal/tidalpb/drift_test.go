package tidalpb

import (
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// TestGeneratedCodeIsOfTheseFiles compiles the files in proto/ and compares what comes out with what the generated code
// was made from, so that a change of a file without make proto, or of the code by hand, fails here. Comments don't count.
func TestGeneratedCodeIsOfTheseFiles(t *testing.T) {
	root := filepath.Join("..", "..", "proto")
	names, err := filepath.Glob(filepath.Join(root, "tidal", "v1", "*.proto"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", root, err)
	}
	var files []string
	for _, name := range names {
		files = append(files, path.Join("tidal/v1", filepath.Base(name)))
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{ImportPaths: []string{root}})}
	compiled, err := compiler.Compile(t.Context(), files...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range compiled {
		got, err := protoregistry.GlobalFiles.FindFileByPath(want.Path())
		if err != nil {
			t.Errorf("%s has no generated code: %v; run make proto", want.Path(), err)
			continue
		}
		if !proto.Equal(protodesc.ToFileDescriptorProto(got), protodesc.ToFileDescriptorProto(want)) {
			t.Errorf("%s isn't what the generated code was made from; run make proto", want.Path())
		}
	}
	protoregistry.GlobalFiles.RangeFilesByPackage("tidal.v1", func(f protoreflect.FileDescriptor) bool {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(f.Path()))); err != nil {
			t.Errorf("there is generated code of %s, but no such file: %v", f.Path(), err)
		}
		return true
	})
}
