// Package debugpage shows segments to people, in a page that a program mounts beside pprof:
//
//	http.Handle("/debug/shmkit", debugpage.Handler(debugpage.Options{Segments: []*shm.Segment{seg}}))
//
// The page changes nothing and needs no script. A request that accepts application/json gets what
// the page shows in the JSON of the tool.
package debugpage

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/metrics/internal/snapshot"
	"github.com/shmkit/shmkit/shm"
)

// Options say what a page shows.
type Options struct {
	Segments []*shm.Segment // of this process
	Dir      string         // all segments of a directory, unless it is ""
}

//go:embed page.html
var source string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"bytes": humanBytes,
	"ago":   func(t time.Time) string { return time.Since(t).Round(time.Millisecond).String() },
	"show":  show,
	"facts": func(f describe.Facts) string {
		var parts []string
		for _, x := range f {
			parts = append(parts, x.Name+" "+show(x.Value))
		}
		return strings.Join(parts, ", ")
	},
}).Parse(source))

// elements is how many elements and messages of each object are shown.
const elements = 8

// Handler returns the page. It answers GET and HEAD, and refuses all else.
func Handler(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this page only shows", http.StatusMethodNotAllowed)
			return
		}
		segments, skipped := snapshot.Take(o.Segments, o.Dir, describe.Want{Elements: elements, Messages: elements})
		var text bytes.Buffer
		var err error
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			w.Header().Set("Content-Type", "application/json")
			err = json.NewEncoder(&text).Encode(map[string]any{"segments": segments, "skipped": skipped})
		} else {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
			err = page.Execute(&text, map[string]any{"Segments": segments, "Skipped": skipped, "At": time.Now().Format(time.DateTime)})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Write(text.Bytes())
	})
}

// humanBytes is a number of bytes in the largest unit that is not above it.
func humanBytes(n any) string {
	var size float64
	switch x := n.(type) {
	case int64:
		size = float64(x)
	case uint64:
		size = float64(x)
	}
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if size < 1024 {
			return fmt.Sprintf("%.4g %s", size, unit)
		}
		size /= 1024
	}
	return fmt.Sprintf("%.4g GiB", size)
}

// show is a value as the JSON of the tool has it, cut to a line. What names itself, as a process
// does, is shown by its name.
func show(value any) string {
	switch x := value.(type) {
	case nil:
		return ""
	case []describe.Process:
		return fmt.Sprint(x)
	case fmt.Stringer:
		return x.String()
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // the template does that
	if err := encoder.Encode(value); err != nil {
		return err.Error()
	}
	const most = 200
	line := []rune(strings.TrimSuffix(text.String(), "\n"))
	if len(line) > most {
		line = append(line[:most], '…')
	}
	return strings.Trim(string(line), `"`)
}
