package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/shmkit/shmkit/examples/wordcount/command"
)

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// showProgress draws a progress bar on w from the counts that read returns. The function that it
// returns removes the bar. The amount of work is not known before the end, so the bar shows no
// share.
func showProgress(w io.Writer, read func() (files, lines, bytes int64)) (stop func()) {
	bar := progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(false),
		// else the bar draws itself too, in a goroutine
		progressbar.OptionSetSpinnerChangeInterval(0),
	)
	draw := func() {
		files, lines, bytes := read()
		bar.Describe(fmt.Sprintf("%d files, %d lines, %d MB", files, lines, bytes/1e6))
	}
	stopDrawing := command.Every(tenthOfSecond, draw)
	return func() {
		stopDrawing()
		bar.Finish()
	}
}
