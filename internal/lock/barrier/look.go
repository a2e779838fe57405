package barrier

// A Look is what a copy of a barrier says.
type Look struct {
	Parties    int // that it waits for
	Arrived    int // in this generation
	Generation uint32
	Broken     bool
}

// LookAt reads a copy of a barrier.
func LookAt(mem []byte) Look {
	h := headIn(mem)
	s := stateWord(h.state.Load())
	return Look{Parties: int(h.parties.Load()), Arrived: s.arrived(), Generation: s.generation(), Broken: s.broken()}
}
