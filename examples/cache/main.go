// Cache shares one cache between web workers: four processes serve pages of one listener, and any
// of them may be killed at any instruction. The program kills one after the other while it asks for
// pages, changes what the pages are made of, and checks that no answer is older than the last
// change that was complete before the question. It ends by itself.
//
//	go run ./examples/cache -for 5s
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	if os.Getenv(workerEnv) != "" {
		if err := work(); err != nil {
			log.Fatal(err)
		}
		return
	}
	duration := flag.Duration("for", 5*time.Second, "how long it goes on, at most 20s")
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: cache [-for DURATION]") }
	flag.Parse()
	if flag.NArg() != 0 || *duration <= 0 || *duration > 20*time.Second {
		flag.Usage()
		os.Exit(2)
	}
	report, err := run(*duration)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report)
	if report.Stale > 0 || report.OverLimit > 0 {
		os.Exit(1)
	}
}
