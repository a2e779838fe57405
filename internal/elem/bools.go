package elem

// Bools says where the bools of a type lie. A byte of shared memory may hold anything, but the
// compiler assumes that a bool is 0 or 1: it drops the bounds check of an index that is made of
// one. So a copy out of shared memory is mended before it is used as a value of its type.
//
// A Bools is immutable. A nil *Bools stands for a type without bools.
type Bools struct {
	layout Layout // with no fields but those that have bools
}

// boolsOf returns where the bools of a layout lie, or nil when it has none.
func boolsOf(l *Layout) *Bools {
	if pruned, ok := l.onlyBools(); ok {
		return &Bools{pruned}
	}
	return nil
}

// onlyBools returns the layout without the fields that have no bools. It reports false when no
// field is left.
func (l *Layout) onlyBools() (pruned Layout, ok bool) {
	pruned = *l
	if l.Code != "" {
		return pruned, l.Code == "?"
	}
	pruned.Fields = nil
	for _, f := range l.Fields {
		if f.Layout, ok = f.Layout.onlyBools(); ok {
			pruned.Fields = append(pruned.Fields, f)
		}
	}
	return pruned, len(pruned.Fields) > 0
}

// Mend sets every byte of a bool that is neither 0 nor 1 to 1. The memory must hold whole elements,
// one after the other. Bytes that are right are not written.
func (b *Bools) Mend(mem []byte) {
	if b == nil {
		return
	}
	for size := b.layout.Size; int64(len(mem)) >= size; mem = mem[size:] {
		b.layout.mend(mem[:size])
	}
}

func (l *Layout) mend(mem []byte) {
	if l.Code != "" {
		for i, c := range mem {
			if c > 1 {
				mem[i] = 1
			}
		}
		return
	}
	for ; len(mem) > 0; mem = mem[l.Unit:] {
		for i := range l.Fields {
			f := &l.Fields[i]
			f.Layout.mend(mem[f.Offset : f.Offset+f.Layout.Size])
		}
	}
}
