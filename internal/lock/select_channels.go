package lock

import "reflect"

// channels is the goroutine that waits for all channels of a Select, and pokes it when one is
// closed. It holds no thread.
type channels struct {
	quit  chan struct{}
	ended chan struct{}
}

// watchChannels begins to wait for the channels, if there are any and no goroutine does yet.
func (s *Select) watchChannels() {
	if s.channels != nil {
		return
	}
	var cases []reflect.SelectCase
	for i := range s.sources {
		if done := s.sources[i].Done; done != nil {
			cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(done)})
		}
	}
	if len(cases) == 0 {
		return
	}
	c := &channels{quit: make(chan struct{}), ended: make(chan struct{})}
	s.channels = c
	cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c.quit)})
	go c.run(cases, s.any.Poke)
}

// run waits for the cases, the last of which ends it, until all others have been closed.
func (c *channels) run(cases []reflect.SelectCase, poke func()) {
	defer close(c.ended)
	for len(cases) > 1 {
		i, _, open := reflect.Select(cases)
		if i == len(cases)-1 {
			return
		}
		if !open {
			cases = append(cases[:i], cases[i+1:]...)
		}
		poke()
	}
}

// endChannels ends the goroutine, and waits for its end.
func (s *Select) endChannels() {
	if c := s.channels; c != nil {
		close(c.quit)
		<-c.ended
		s.channels = nil
	}
}
