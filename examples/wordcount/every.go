package main

import "time"

// tenthOfSecond is how often the progress is drawn, and how often chaos strikes.
const tenthOfSecond = 100 * time.Millisecond

// every calls f again and again, in a goroutine, until the function that it returns is called. That
// one returns when f will not be called any more.
func every(interval time.Duration, f func()) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f()
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
