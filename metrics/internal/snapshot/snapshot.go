// Package snapshot reads segments for package metrics and its debug page.
package snapshot

import (
	"os"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
	"github.com/shmkit/shmkit/shm"
)

// A Segment is a segment as it was read. Its JSON is that of the tool.
type Segment struct {
	*inspect.Segment
	Processes []inspect.Process `json:"processes"`
	Waits     []inspect.Wait    `json:"waits"`
	Objects   []inspect.Object  `json:"objects"`
}

// Take reads the segments, and all of the directory unless that is "", each once. Skipped is how
// many files cannot be read. Of each object as many elements and messages are read as want says.
func Take(segments []*shm.Segment, dir string, want describe.Want) (all []Segment, skipped int) {
	seen := map[string]bool{}
	read := func(f *inspect.File) {
		defer f.Close()
		s, err := inspect.Read(f)
		if err != nil {
			skipped++
			return
		}
		if seen[s.Identity] {
			return
		}
		seen[s.Identity] = true
		all = append(all, Segment{s, s.Processes(), s.WaitList(), objectsOf(s, want)})
	}
	for _, seg := range segments {
		if f, err := openAttached(seg); err == nil {
			read(f)
		}
	}
	if dir != "" {
		files, unreadable := inspect.Search{Dir: dir, NoAnonymous: true}.Find()
		skipped += len(unreadable)
		for _, f := range files {
			read(f)
		}
	}
	return all, skipped
}

// openAttached opens the file of a segment that this process has attached once more, for reading.
func openAttached(seg *shm.Segment) (*inspect.File, error) {
	file := seg.File()
	return inspect.OpenDescriptor(os.Getpid(), int(file.Fd()), file.Name())
}

// objectsOf are the objects that are not removed. Reading goes on behind one that cannot be read.
func objectsOf(s *inspect.Segment, want describe.Want) (all []inspect.Object) {
	for o, err := range s.All(want) {
		if err == nil && !o.Removed {
			all = append(all, o)
		}
	}
	return all
}
