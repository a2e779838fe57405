//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

const jsonPage = "../../docs/operate/json.md"

// A shape is a type of the schema.
type shape struct {
	Type        string
	Description string
	Required    []string
	Properties  map[string]*shape
	Items       *shape
	Enum        []string
	Format      string
	Ref         string `json:"$ref"`
	AnyOf       []*shape
	OneOf       []*shape
}

// shapes are the types of the schema, and the properties of each in the order of the file.
func shapes(t *testing.T) (all map[string]*shape, order map[string][]string) {
	t.Helper()
	text := must(os.ReadFile("schema.json"))
	var schema struct {
		Defs map[string]*shape `json:"$defs"`
	}
	must(0, json.Unmarshal(text, &schema))
	order = map[string][]string{}
	for name, s := range schema.Defs {
		at := func(property string) int {
			part := string(text)[strings.Index(string(text), fmt.Sprintf("\n    %q: {\n", name)):]
			return strings.Index(part, fmt.Sprintf("\n        %q: ", property))
		}
		order[name] = slices.SortedFunc(maps.Keys(s.Properties), func(a, b string) int { return at(a) - at(b) })
	}
	return schema.Defs, order
}

// text is the type as the page writes it.
func (s *shape) text() string {
	switch {
	case s.Ref == "#/$defs/number":
		return "integer"
	case s.Ref == "#/$defs/large":
		return "integer or string"
	case s.Ref != "":
		name := strings.TrimPrefix(s.Ref, "#/$defs/")
		return "[" + name + "](#" + name + ")"
	case s.Items != nil:
		return "list of " + s.Items.text()
	case s.Enum != nil:
		return "`" + strings.Join(s.Enum, "`, `") + "`"
	case s.Format != "":
		return "time"
	case s.OneOf != nil:
		return s.OneOf[0].text() + ", or " + s.OneOf[1].text()
	case s.Type == "":
		return "any"
	}
	return s.Type
}

// table is a type with all its fields, as the page has it.
func (s *shape) table(name string, order []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- %s -->\n\n### %s\n\n%s\n\n| field | type | |\n|---|---|---|\n", name, name, s.Description)
	for _, field := range order {
		optional := "?"
		if slices.Contains(s.Required, field) {
			optional = ""
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s |\n", field, optional, s.Properties[field].text(), s.Properties[field].Description)
	}
	return b.String()
}

var jsonTable = regexp.MustCompile(`(?m)^<!-- (\w+) -->\n(\n### .*\n\n.*\n\n(\|.*\n)+)?`)

// The page about JSON has each type of the schema, field by field. -update writes its tables anew.
func TestJSONPage(t *testing.T) {
	all, order := shapes(t)
	page := string(must(os.ReadFile(jsonPage)))
	said := map[string]bool{}
	now := jsonTable.ReplaceAllStringFunc(page, func(old string) string {
		name := jsonTable.FindStringSubmatch(old)[1]
		s := all[name]
		if s == nil {
			t.Errorf("%s: there is no type %s in the schema", jsonPage, name)
			return old
		}
		said[name] = true
		return s.table(name, order[name])
	})
	for name, s := range all {
		if s.Properties != nil && !said[name] {
			t.Errorf("%s does not say what a %s is", jsonPage, name)
		}
		for field, p := range s.Properties {
			if p.Description == "" {
				t.Errorf("the schema does not say what %s of a %s is", field, name)
			}
		}
	}
	if *update {
		must(0, os.WriteFile(jsonPage, []byte(now), 0o644))
	} else if now != page {
		t.Errorf("the tables of %s are not those of schema.json: write them with go test -run TestJSONPage -update .", jsonPage)
	}
}

// strictSchema is the schema which allows no field that it does not name: for what this version of
// the tool writes.
func strictSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f := must(os.Open("schema.json"))
	defer f.Close()
	schema := must(jsonschema.UnmarshalJSON(f)).(map[string]any)
	schema["additionalProperties"] = false
	for _, def := range schema["$defs"].(map[string]any) {
		if def := def.(map[string]any); def["properties"] != nil {
			def["additionalProperties"] = false
		}
	}
	c := jsonschema.NewCompiler()
	must(0, c.AddResource("strict.json", schema))
	return must(c.Compile("strict.json"))
}

// validate compares an answer with the schema.
func validate(schema *jsonschema.Schema, text string) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// factNames are what the describers of this module set, each with the text of its expression: a
// part of it, where the name is put together.
func factNames(t *testing.T) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "describe.go" && !strings.Contains(path, "/internal/describe/") || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); !ok || !strings.HasPrefix(s.Sel.Name, "Set") {
				return true
			}
			ast.Inspect(call.Args[0], func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					name := must(strconv.Unquote(lit.Value))
					names[name] = append(names[name], path)
				}
				return true
			})
			return true
		})
		return nil
	})
	must(0, err)
	return names
}

// The schema has each fact that a describer can set.
func TestSchemaHasAllFacts(t *testing.T) {
	all, _ := shapes(t)
	names := factNames(t)
	if len(names) < 50 {
		t.Fatalf("only %d facts were found", len(names))
	}
	for name, where := range names {
		known := false
		for field := range all["state"].Properties {
			// "capacity" and "Written" are parts of names
			known = known || field == name || name == "capacity" && strings.HasPrefix(field, name) || len(field) == len(name)+1 && strings.HasSuffix(field, name)
		}
		if !known {
			t.Errorf("%v sets %q, which schema.json does not name", where, name)
		}
	}
}

// A name that is no UTF-8 is told byte by byte.
func TestNamesThatAreNoText(t *testing.T) {
	path := filepath.Join(proctest.Dir(t), "odd\xff")
	seg := must(shm.Create(path, shm.Options{}))
	defer seg.Close()
	must(shm.NewCounter(seg, "\xfe"))
	must(shm.NewCounter(seg, "plain"))
	var a struct {
		Segments []struct {
			NameHex    string
			ObjectList []struct{ Name, NameHex string }
		}
	}
	show(t, path, &a)
	s := a.Segments[0]
	if s.NameHex != "6f6464ff" {
		t.Errorf("the segment's name is %q", s.NameHex)
	}
	for _, o := range s.ObjectList {
		if want := map[bool]string{false: "fe"}[o.Name == "plain"]; o.NameHex != want {
			t.Errorf("%q has the bytes %q", o.Name, o.NameHex)
		}
	}
}
