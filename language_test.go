package shmkit

import (
	"bufio"
	"fmt"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Text of the project is wrapped at maxColumns. A tab counts as tabColumns.
const (
	maxColumns = 100
	tabColumns = 4
)

// persons are words for people. The subject of a sentence about shared memory is a process, a
// caller, an owner, a waiter.
var persons = regexp.MustCompile(`(?i)\b(who|whom|whose|whoever|somebody|someone|nobody|anybody|everybody|he|him|his)\b`)

// maxPersons is how many of 1,000 comment lines of a package may have a word of persons.
const maxPersons = 5

// unmended are packages whose text is older than this test. The list only gets shorter.
var unmended = []string{}

// prose is the text of one package, or of the documents in one directory.
type prose struct {
	lines   int      // of comments
	persons []string // lines with a word of persons, with their places
	wide    []string // lines beyond maxColumns, with their places
}

// TestLanguage reads all comments and documents of the module.
func TestLanguage(t *testing.T) {
	packages := readProse(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages were found", len(packages))
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		faults := packages[dir].faults()
		if !slices.Contains(unmended, dir) {
			for _, fault := range faults {
				t.Errorf("%s: %s", dir, fault)
			}
		} else if len(faults) == 0 {
			t.Errorf("%s: the text is mended: take it off the list in language_test.go", dir)
		}
	}
}

// readProse returns the text of the module by directory.
func readProse(t *testing.T) map[string]*prose {
	t.Helper()
	packages := make(map[string]*prose)
	for _, path := range textFiles(t) {
		dir := filepath.ToSlash(filepath.Dir(path))
		if packages[dir] == nil {
			packages[dir] = &prose{}
		}
		if err := packages[dir].read(path); err != nil {
			t.Fatal(err)
		}
	}
	return packages
}

// faults returns what is wrong with the text of a package.
func (p *prose) faults() (faults []string) {
	if n := len(p.persons); n*1000 > maxPersons*p.lines {
		faults = append(faults, fmt.Sprintf("%d of %d comment lines speak of persons, more than %d in 1,000:\n%s",
			n, p.lines, maxPersons, strings.Join(p.persons, "\n")))
	}
	if n := len(p.wide); n > 0 {
		faults = append(faults, fmt.Sprintf("%d lines of text go beyond column %d:\n%s", n, maxColumns, strings.Join(p.wide, "\n")))
	}
	return faults
}

// TestLanguageFinds shows that the check finds its faults, and no others.
func TestLanguageFinds(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("word ", 20) + "words"
	for name, c := range map[string]struct {
		text          string
		persons, wide int
	}{
		"a.go":      {"package a\n\n// f is for whoever calls.\nfunc f() { _ = \"who\" }\n", 1, 0},
		"b.go":      {"package a\n\n// " + long + "\nvar x = 1 // " + long + "\n", 0, 2},
		"c.go":      {"package a\n\n//\t" + long + "\n// https://example.org/" + strings.Repeat("x", 100) + "\nvar y int\n", 0, 0},
		"d.md":      {"# " + long + "\n\n| " + long + " |\n\n    " + long + "\n\n```\n" + long + "\n```\n", 0, 1},
		"e.pml":     {"/* Whose turn it is. */\nbyte turn; /* he */\n", 2, 0},
		"f.c":       {"// " + long + "\nint x;\n", 0, 1},
		"g_test.go": {"package a\n\n// nobody\n", 1, 0},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := &prose{}
		if err := p.read(path); err != nil {
			t.Fatal(err)
		}
		if len(p.persons) != c.persons || len(p.wide) != c.wide {
			t.Errorf("%s: persons %q, wide %q; want %d and %d", name, p.persons, p.wide, c.persons, c.wide)
		}
	}
}

// textFiles returns the files with comments or prose, relative to the root.
func textFiles(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || path != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		switch filepath.Ext(path) {
		case ".go", ".md", ".pml", ".c", ".h", ".cpp":
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// read adds the text of a file.
func (p *prose) read(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch filepath.Ext(path) {
	case ".md":
		p.readMarkdown(path, string(b))
	case ".go":
		return p.readGo(path, b)
	default:
		p.readC(path, string(b))
	}
	return nil
}

// add takes in one line of text, and the source line that it is on. An empty source line may have
// any width.
func (p *prose) add(path string, number int, text, whole string) {
	p.lines++
	place := fmt.Sprintf("\t%s:%d: %s", path, number, strings.TrimSpace(text))
	if persons.MatchString(text) {
		p.persons = append(p.persons, place)
	}
	if columns(whole) > maxColumns && !strings.Contains(whole, "://") {
		p.wide = append(p.wide, place)
	}
}

func columns(line string) (n int) {
	for _, r := range line {
		n++
		if r == '\t' {
			n += tabColumns - 1
		}
	}
	return n
}

// readGo adds all comments of a Go file. Indented lines of a comment are code or a table, which may
// be wide, and so may directives.
func (p *prose) readGo(path string, src []byte) error {
	if _, err := parser.ParseFile(token.NewFileSet(), path, src, parser.PackageClauseOnly); err != nil {
		return err
	}
	lines := strings.Split(string(src), "\n")
	files := token.NewFileSet()
	file := files.AddFile(path, -1, len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, scanner.ScanComments)
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			return nil
		}
		if tok != token.COMMENT {
			continue
		}
		first := file.Line(pos)
		for i, line := range strings.Split(text, "\n") {
			whole := lines[first-1+i]
			if strings.HasPrefix(line, "//\t") || strings.HasPrefix(line, "//go:") {
				whole = ""
			}
			p.add(path, first+i, line, whole)
		}
	}
}

// readMarkdown adds the lines of a document. Tables and code may be wide, and so may lines with a
// link.
func (p *prose) readMarkdown(path, text string) {
	code := false
	number := 0
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		number++
		line := s.Text()
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		if code || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t") {
			continue
		}
		whole := line
		if strings.HasPrefix(line, "|") || strings.Contains(line, "](") {
			whole = ""
		}
		p.add(path, number, line, whole)
	}
}

// A comment of C or Promela, from its mark to the end of its line.
var inComment = regexp.MustCompile(`(?://|/\*|^\s*\*(?:\s|$)).*`)

// readC adds the comments of a file in C, C++ or Promela.
func (p *prose) readC(path, text string) {
	open := false
	for i, line := range strings.Split(text, "\n") {
		comment := inComment.FindString(line)
		if open {
			comment = line
		}
		if comment == "" {
			continue
		}
		whole := line
		if strings.Contains(comment, "\t") {
			whole = ""
		}
		p.add(path, i+1, comment, whole)
		open = strings.LastIndex(line, "/*") > strings.LastIndex(line, "*/") || open && !strings.Contains(line, "*/")
	}
}
