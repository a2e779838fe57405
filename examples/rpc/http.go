package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/shmkit/shmkit/queue/pipe"
)

// count is what POST /words answers.
type count struct {
	Words int `json:"words"`
}

// maxText bounds a request, in bytes.
const maxText = 1 << 20

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /words", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxText))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(count{len(strings.Fields(string(text)))})
	})
	return mux
}

// countByHTTP asks the server how many words text has.
func countByHTTP(ctx context.Context, name, text string) (int, error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return pipe.Dial(ctx, name, pipe.DialOptions{}) // wherever the URL leads
		},
	}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, "POST", "http://shm/words", strings.NewReader(text))
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the server answers %s", response.Status)
	}
	var c count
	err = json.NewDecoder(response.Body).Decode(&c)
	return c.Words, err
}
