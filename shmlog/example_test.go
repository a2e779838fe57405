package shmlog_test

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/shmkit/shmkit/shm"
	"github.com/shmkit/shmkit/shmlog"
)

// Any number of processes log to one file, through one listener. Here both are in one process.
func ExampleHandler() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer seg.Close()

	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	listener, err := shmlog.NewListener(seg, "log", slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime}))
	if err != nil {
		fmt.Println(err)
		return
	}
	// in each process
	handler, err := shmlog.NewHandler(seg, "log", shmlog.Options{Process: "worker 1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	slog.New(handler).Info("done", "files", 12)

	if err := listener.Close(); err != nil { // writes what was logged before
		fmt.Println(err)
	}
	// Output:
	// level=INFO msg=done process="worker 1" files=12
}
