//go:build linux

package debugpage

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// serve serves a page about a segment with a value that has markup in it, and a lock that is held.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	if _, err := shm.NewVar(seg, "motd", "<b>hello</b>"); err != nil {
		t.Fatal(err)
	}
	mu, err := shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := mu.Lock(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mu.Unlock)
	server := httptest.NewServer(Handler(Options{Segments: []*shm.Segment{seg}}))
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, method, url, accept string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var b strings.Builder
	if err := answer.Write(&b); err != nil {
		t.Fatal(err)
	}
	_, body, _ = strings.Cut(b.String(), "\r\n\r\n")
	return answer.StatusCode, body
}

func TestPage(t *testing.T) {
	server := serve(t)
	status, body := get(t, http.MethodGet, server.URL, "text/html")
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	for _, want := range []string{"motd", "ledger", "Mutex", "hello", "</html>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "<b>hello") {
		t.Error("a value became markup")
	}
}

func TestJSON(t *testing.T) {
	server := serve(t)
	_, body := get(t, http.MethodGet, server.URL, "application/json")
	if i := strings.Index(body, "{"); i > 0 { // the length of a chunk
		body = body[i:]
	}
	var got struct {
		Segments []struct{ Objects []struct{ Name string } }
	}
	if err := json.NewDecoder(strings.NewReader(body)).Decode(&got); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if len(got.Segments) != 1 || len(got.Segments[0].Objects) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestOnlyGet(t *testing.T) {
	if status, _ := get(t, http.MethodPost, serve(t).URL, ""); status != http.StatusMethodNotAllowed {
		t.Errorf("status %d", status)
	}
}

// TestBrowser has a browser lay the page out.
func TestBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("missing: chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", serve(t).URL)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("chromium does not run here: %v", err)
	}
	if !strings.Contains(string(out), "ledger") {
		t.Errorf("the browser shows\n%s", out)
	}
}
