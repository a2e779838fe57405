package shmkit

import (
	"fmt"
	"go/ast"
	"go/types"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const formatFile = "docs/format.md"

// marker begins the byte table of a struct in docs/format.md, which ends with an empty line.
var marker = regexp.MustCompile("(?s)<!-- (\\S+) (\\S+) -->\n```\n.*?```\n")

// The byte tables of docs/format.md are those of the code, and each says where its fields lie.
// SHMKIT_FORMAT=1 writes the tables anew.
func TestFormatIsTheAPIOfProcesses(t *testing.T) {
	text, err := os.ReadFile(formatFile)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string][]string{} // structs of a package
	for _, m := range marker.FindAllStringSubmatch(string(text), -1) {
		wanted[m[1]] = append(wanted[m[1]], m[2])
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo |
			packages.NeedImports | packages.NeedDeps | packages.NeedFiles | packages.NeedCompiledGoFiles,
		Env: append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"),
	}, patternsOf(wanted)...)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{}
	for _, p := range loaded {
		name := strings.TrimPrefix(p.PkgPath, module+"/")
		for _, s := range wanted[name] {
			table := tableOf(p, s)
			if table == "" {
				t.Errorf("%s: there is no struct %s with a byte table", name, s)
				continue
			}
			tables[name+" "+s] = table
			checkTable(t, p, s, table)
		}
	}
	now := marker.ReplaceAllStringFunc(string(text), func(old string) string {
		m := marker.FindStringSubmatch(old)
		return fmt.Sprintf("<!-- %s %s -->\n```\n%s```\n", m[1], m[2], tables[m[1]+" "+m[2]])
	})
	if now == string(text) {
		return
	}
	if os.Getenv("SHMKIT_FORMAT") != "" {
		if err := os.WriteFile(formatFile, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the byte tables of %s are not those of the code: write them with SHMKIT_FORMAT=1 go test -run TestFormat . , and mend the text beside them", formatFile)
}

func patternsOf(wanted map[string][]string) (patterns []string) {
	for name := range wanted {
		patterns = append(patterns, "./"+name)
	}
	slices.Sort(patterns)
	return patterns
}

// tableOf is the byte table in the comment of a struct.
func tableOf(p *packages.Package, name string) string {
	for _, file := range p.Syntax {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || len(g.Specs) != 1 {
				continue
			}
			if s, ok := g.Specs[0].(*ast.TypeSpec); ok && s.Name.Name == name && g.Doc != nil {
				return indented(g.Doc)
			}
		}
	}
	return ""
}

// indented are the lines of a comment that are set as they are.
func indented(doc *ast.CommentGroup) string {
	var b strings.Builder
	for _, c := range doc.List {
		if line, ok := strings.CutPrefix(c.Text, "//\t"); ok {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// row is a line of a byte table: offset, size and field.
var row = regexp.MustCompile(`^ *(\d+) +(\d+) +([A-Za-z]\w*)(?: |$)`)

// checkTable compares a byte table with what the compiler makes of the struct.
func checkTable(t *testing.T, p *packages.Package, name, table string) {
	t.Helper()
	s, ok := p.Types.Scope().Lookup(name).Type().Underlying().(*types.Struct)
	if !ok {
		t.Errorf("%s.%s is no struct", p.PkgPath, name)
		return
	}
	fields := make([]*types.Var, s.NumFields())
	for i := range fields {
		fields[i] = s.Field(i)
	}
	offsets, rows := p.TypesSizes.Offsetsof(fields), 0
	for line := range strings.Lines(table) {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		i := slices.IndexFunc(fields, func(f *types.Var) bool { return strings.EqualFold(f.Name(), m[3]) })
		if i < 0 {
			continue // a part of a field, or what follows the struct
		}
		rows++
		off, _ := strconv.ParseInt(m[1], 10, 64)
		size, _ := strconv.ParseInt(m[2], 10, 64)
		if offsets[i] != off || p.TypesSizes.Sizeof(fields[i].Type()) != size {
			t.Errorf("%s.%s: %s lies at %d and has %d bytes, its table says %d and %d", p.PkgPath, name, m[3],
				offsets[i], p.TypesSizes.Sizeof(fields[i].Type()), off, size)
		}
	}
	if rows == 0 {
		t.Errorf("%s.%s: its table names no field", p.PkgPath, name)
	}
}
