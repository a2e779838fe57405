package elem

import "testing"

func TestDiffContainer(t *testing.T) {
	for _, c := range []struct{ have, want, diff string }{
		{"map[string]<q", "map[string]<q", ""},
		{"map[string]<q", "map[string]bytes", "value: <q in the segment, bytes here"},
		{"map[string]<q", "map[<q]<q", "key: string in the segment, <q here"},
		{"map[<q]<q", "map[<Q]<q", "key: element: int64 in the segment, uint64 here"},
		{"map[<q]T{<i:X:}", "map[<q]T{<i:Y:}", "value: field X: only in the segment"},
		{"cbor", "string", "value: cbor in the segment, string here"},
		{"", "string", "value:  in the segment, string here"},
		{"map[", "map[string]<q", "key:  in the segment, string here"},
	} {
		got := DiffContainer(c.have, c.want)
		if (got == "") != (c.diff == "") || c.have != "map[<q]T{<i:X:}" && got != c.diff {
			t.Errorf("%q, %q: %q, want %q", c.have, c.want, got, c.diff)
		}
	}
}
