package segment

import "fmt"

// String names the object, its kind and its segment.
func (o *Object) String() string {
	if o == nil {
		return "no object"
	}
	return fmt.Sprintf("%v %q in %v", o.Kind, o.Name, o.Seg)
}

// String names the segment.
func (s *Segment) String() string {
	if s == nil {
		return "no segment"
	}
	state := ""
	if s.Closed() {
		state = ", closed"
	}
	return fmt.Sprintf("segment %s (%d bytes%s)", s.path, s.Size(), state)
}
