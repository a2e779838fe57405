package shmkit

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mdLink finds the target of a link in Markdown.
var mdLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// mdCode is code within a line, in which brackets are no link.
var mdCode = regexp.MustCompile("`[^`\n]*`")

// TestLinks checks that the links between documents, and from documents to files, lead somewhere.
// Links to other sites are not followed.
func TestLinks(t *testing.T) {
	links := 0
	for _, path := range textFiles(t) {
		if filepath.Ext(path) != ".md" {
			continue
		}
		for _, target := range linksOf(t, path) {
			links++
			if fault := brokenLink(t, path, target); fault != "" {
				t.Errorf("%s: %s: %s", path, target, fault)
			}
		}
	}
	if links < 10 {
		t.Errorf("only %d links were found", links)
	}
}

// linksOf returns the targets of the links in a document, but for those to other sites.
func linksOf(t *testing.T, path string) (targets []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mdLink.FindAllStringSubmatch(mdCode.ReplaceAllString(string(text), ""), -1) {
		if !strings.Contains(m[1], "://") {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// brokenLink returns what is wrong with a link in the document at path, or "".
func brokenLink(t *testing.T, path, target string) string {
	t.Helper()
	file, heading, _ := strings.Cut(target, "#")
	if file == "" {
		file = path
	} else {
		file = filepath.Join(filepath.Dir(path), file)
	}
	text, err := os.ReadFile(file)
	if info, statErr := os.Stat(file); statErr == nil && info.IsDir() && heading == "" {
		return ""
	} else if err != nil {
		return err.Error()
	}
	if heading != "" && !slices.Contains(anchors(string(text)), heading) {
		return "there is no such heading"
	}
	return ""
}

// notInAnchor are the characters of a heading that its anchor leaves out.
var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)

// anchors returns the names by which links reach the headings of a document.
func anchors(text string) (names []string) {
	for line := range strings.Lines(text) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			name := notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			names = append(names, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return names
}

func TestBrokenLinksAreFound(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "other.md"), []byte("# The `first` one, and more\n"))
	path := filepath.Join(dir, "page.md")
	write(t, path, []byte("## Here\n\n[a](other.md) [b](#here) [c](https://example.org/x) [d](missing.md) `e[f](g.md)` [`h`](.)\n"))
	if got := linksOf(t, path); !slices.Equal(got, []string{"other.md", "#here", "missing.md", "."}) {
		t.Errorf("the links are %q", got)
	}
	for target, broken := range map[string]bool{
		"other.md": false, "#here": false, "other.md#the-first-one-and-more": false, ".": false,
		"missing.md": true, "#there": true, "other.md#here": true,
	} {
		if got := brokenLink(t, path, target); (got != "") != broken {
			t.Errorf("%s: %q", target, got)
		}
	}
}
