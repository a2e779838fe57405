package elem

import (
	"fmt"
	"testing"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct{ have, want, diff string }{
		{"<i", "<i", ""},
		{"<i", "<q", "element: int32 in the segment, int64 here"},
		{">i", "<i", "element: big-endian int32 in the segment, int32 here"},
		{">b", "<b", ""}, // one byte has no order
		{"(2,3)<h", "(3,2)<h", "element: [2][3]int16 in the segment, [3][2]int16 here"},
		{"<h", "(1)<h", "element: int16 in the segment, [1]int16 here"},
		{"T{<i:X:4x<d:Y:}", "T{<i:X:xxxx<d:Y:}", ""}, // as ctypes and as NumPy write it
		{"T{<i:X:<d:Y:}", "T{<i:X:<q:Y:}", "field Y: float64 in the segment, int64 here"},
		{"T{<i:X:(16)<B:N:}", "T{<i:X:(32)<B:N:}", "field N: [16]uint8 in the segment, [32]uint8 here"},
		{"T{<i:X:}", "T{<i:X:<i:Z:}", "field Z: missing in the segment"},
		{"T{<i:X:<i:Z:}", "T{<i:X:}", "field Z: only in the segment"},
		{"T{<i:X:<i:Z:}", "T{<i:X:<i:Y:<i:Z:}", "field Y: missing in the segment"},
		{"T{<i:X:<i:Y:<i:Z:}", "T{<i:X:<i:Z:}", "field Y: only in the segment"},
		{"T{<i:X:<i:Z:}", "T{<i:X:<i:Y:}", "field Y: named Z in the segment"},
		{"T{<i:X:<i:Z:}", "T{<i:X:<q:Y:}", "field Y: missing in the segment"},
		{"T{<i:X:<i:Y:}", "T{<i:Y:<i:X:}", "field Y: at byte 4 in the segment, at byte 0 here"},
		{"T{<i:A:<i:B:}", "T{xxxx<i:B:<i:A:}", "field A: at byte 0 in the segment, at byte 8 here"},
		{"T{<i:X:<d:Y:}", "T{<i:X:xxxx<d:Y:}", "field Y: at byte 4 in the segment, at byte 8 here"},
		{"T{<d:X:<b:Y:}", "T{<d:X:<b:Y:7x}", "element: struct of 9 bytes in the segment, of 16 bytes here"},
		{"(4)T{<b:Y:}", "(4)T{<b:Y:x}", "element: array of structs of 1 bytes in the segment, of 2 bytes here"},
		{"T{T{<d:X:<b:Y:}:P:}", "T{T{<d:X:<b:Y:7x}:P:}", "field P: struct of 9 bytes in the segment, of 16 bytes here"},
		{"T{T{<d:X:<b:Y:}:Pos:}", "T{T{<d:X:<i:Y:}:Pos:}", "field Pos.Y: int8 in the segment, int32 here"},
		{"T{(2)T{<d:X:}:Pos:}", "T{(2)T{<d:Z:}:Pos:}", "field Pos.Z: named X in the segment"},
		{"T{(2)T{<d:X:}:P:}", "T{(2)<d:P:}", "field P: [2]struct in the segment, [2]float64 here"},
		{"T{<i:X:", "<i", "description in the segment is damaged: type format at byte 7: unknown type \"\""},
		{"<i", "<w", "description here is damaged: type format at byte 1: unknown type \"w\""},
	} {
		if got := Diff(little(c.have), little(c.want)); got != c.diff && !bigEndian {
			t.Errorf("Diff(%q, %q)\n got %q\nwant %q", c.have, c.want, got, c.diff)
		}
	}
}

// The time for each byte must not depend on the size.
func BenchmarkDiff(b *testing.B) {
	for _, fields := range []int{10, 100, 1000} {
		have, want := "T{", "T{"
		for i := range fields {
			have += fmt.Sprintf("<i:Have%04d:", i)
			want += fmt.Sprintf("<i:Want%04d:", i)
		}
		b.Run(fmt.Sprintf("fields=%d", fields), func(b *testing.B) {
			b.SetBytes(int64(len(have) + len(want)))
			for b.Loop() {
				if Diff(have+"}", want+"}") == "" {
					b.Fatal("no difference")
				}
			}
		})
	}
}
