package admin

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// wordsOf are the doc comments of package api as the description has them: of each struct by its name, and of each of its
// fields by "Struct.name", in JSON's names. The comments are the one place where that is said.
func wordsOf(t *testing.T) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	names, err := filepath.Glob("api/*.go")
	ok(t, err)
	var files []*ast.File
	for _, name := range names {
		raw, err := os.ReadFile(name)
		ok(t, err)
		f, err := parser.ParseFile(fset, name, raw, parser.ParseComments)
		ok(t, err)
		files = append(files, f)
	}
	pkg, err := doc.NewFromFiles(fset, files, "tocsin/node/admin/api")
	ok(t, err)
	structs := map[string]*ast.StructType{}
	about := map[string]string{}
	for _, typ := range pkg.Types {
		if s, is := typ.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType); is {
			structs[typ.Name], about[typ.Name] = s, typ.Doc
		}
	}
	words := map[string]string{}
	for name, s := range structs {
		fields := jsonFields(structs, s)
		if len(fields) == 0 {
			continue
		}
		called := map[string]string{}
		for _, f := range fields {
			called[f.name] = f.key
		}
		words[name] = plain(about[name], name, called)
		for _, f := range fields {
			words[name+"."+f.key] = plain(f.comment, f.name, called)
		}
	}
	return words
}

// jsonField is a field of a struct that JSON has, as key.
type jsonField struct{ name, key, comment string }

// jsonFields are the fields of a struct and of those embedded in it.
func jsonFields(structs map[string]*ast.StructType, s *ast.StructType) (fields []jsonField) {
	for _, f := range s.Fields.List {
		if inner, is := f.Type.(*ast.Ident); is && len(f.Names) == 0 {
			fields = append(fields, jsonFields(structs, structs[inner.Name])...)
			continue
		}
		if f.Tag == nil {
			continue
		}
		tag, _ := strconv.Unquote(f.Tag.Value) // it was parsed
		key, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if key == "-" {
			continue
		}
		comment := f.Doc.Text()
		if comment == "" {
			comment = f.Comment.Text()
		}
		fields = append(fields, jsonField{f.Names[0].Name, key, comment})
	}
	return fields
}

// camel finds words that may be Go's names of fields.
var camel = regexp.MustCompile(`(^|\. |\W)([A-Z]\w*[a-z]\w*)`)

// plain says a doc comment to those who do not read Go: without the name before it, and with JSON's names in it.
func plain(comment, name string, called map[string]string) string {
	text := strings.Join(strings.Fields(comment), " ")
	if rest, named := strings.CutPrefix(text, name+" "); named {
		text = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "are ")
	}
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = camel.ReplaceAllStringFunc(text, func(found string) string {
		m := camel.FindStringSubmatch(found)
		if key := called[m[2]]; key != "" && m[1] != "" && m[1] != ". " {
			return m[1] + key
		}
		return found
	})
	return string(unicode.ToUpper(first)) + text[size:]
}
