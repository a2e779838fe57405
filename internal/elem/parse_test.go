package elem

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	l, err := Parse("T{<i:X:xxxx<d:Y:(2,3)>H:M:4x}")
	if err != nil {
		t.Fatal(err)
	}
	want := &Layout{
		Fields: []Field{
			{Name: "X", Offset: 0, Layout: Layout{Code: "i", Unit: 4, Size: 4}},
			{Name: "Y", Offset: 8, Layout: Layout{Code: "d", Unit: 8, Size: 8}},
			{Name: "M", Offset: 16, Layout: Layout{Code: "H", BigEndian: true, Dims: []int64{2, 3}, Unit: 2, Size: 12}},
		},
		Unit: 32, Size: 32,
	}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("got  %+v\nwant %+v", l, want)
	}
}

// An order code holds until the next one, before or after the array lengths.
func TestParseOrder(t *testing.T) {
	l, err := Parse("T{>h:A:i:B:<(2)h:C:(2)!h:D:=h:E:}")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, false, true, bigEndian} {
		if f := l.Fields[i]; f.Layout.BigEndian != want {
			t.Errorf("field %s: big-endian is %v, want %v", f.Name, f.Layout.BigEndian, want)
		}
	}
	if l, err := Parse("h"); err != nil || l.BigEndian != bigEndian {
		t.Errorf("without a code: %+v, %v", l, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ format, why string }{
		{"", "unknown type"},
		{"<", "unknown type"},
		{"<l", "unknown type \"l\""},
		{"@i", "unknown type \"@\""},
		{"<P", "unknown type"},
		{"Z", "unknown type \"Z\""},
		{"Zg", "unknown type \"Zg\""},
		{"<ii", "text after the type"},
		{"<i:X:", "text after the type"},
		{"3i", "unknown type \"3\""},
		{"()i", "at least 1"},
		{"(0)i", "at least 1"},
		{"(-1)i", "at least 1"},
		{"(2", "followed by , or )"},
		{"(2,", "at least 1"},
		{"(2 ,3)i", "followed by , or )"},
		{"(99999999999999999999999)i", "too large"},
		{"(1099511627776)b", ""}, // exactly MaxSize
		{"(1099511627776)h", "not between"},
		{"(1048576,1048576,1048576,1048576)b", "not between"},
		{"T", "followed by {"},
		{"T{", "unknown type"},
		{"T{}", "not between"},
		{"T{(2)T{}:A:}", "not between"},
		{"T{<i:X:", "unknown type"},
		{"T{<i}", "no name"},
		{"T{<i::}", "empty"},
		{"T{<i:X}", "no end"},
		{"T{<i:\x00:}", "not printable"},
		{"T{<i:\xff:}", "not printable"},
		{"T{<i:X:<i:X:}", "second field X"},
		{"T{2<i:X:}", "not followed by x"},
		{"T{0x<i:X:}", "at least 1"},
		{"T{1099511627776x<i:X:}", "larger than"},
		{"T{1099511627776x1099511627776x}", "larger than"},
		{strings.Repeat("T{", MaxDepth+1), "structs within structs"},
		{strings.Repeat("x", MaxFormat+1), "the limit is"},
	} {
		l, err := Parse(c.format)
		switch {
		case c.why == "" && err != nil:
			t.Errorf("%.60q: %v", c.format, err)
		case c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)):
			t.Errorf("%.60q: got %+v, %v, want an error with %q", c.format, l, err, c.why)
		}
	}
}

// checkLayout checks the invariants of a Layout, which its users rely on.
func checkLayout(t *testing.T, l *Layout, depth int) {
	t.Helper()
	size := l.Unit
	for _, n := range l.Dims {
		size *= n
	}
	if size != l.Size || size < 1 || size > MaxSize || depth > MaxDepth {
		t.Fatalf("size %d of %+v at depth %d, computed %d", l.Size, l, depth, size)
	}
	if l.Code != "" {
		if n, ok := numbers[l.Code]; !ok || n.size != l.Unit || l.Fields != nil {
			t.Fatalf("bad number %+v", l)
		}
		return
	}
	end := int64(0)
	names := make(map[string]bool)
	for i := range l.Fields {
		f := &l.Fields[i]
		if f.Offset < end || f.Name == "" || names[f.Name] || strings.Contains(f.Name, ":") {
			t.Fatalf("bad field %+v after byte %d", f, end)
		}
		names[f.Name] = true
		checkLayout(t, &f.Layout, depth+1)
		end = f.Offset + f.Layout.Size
	}
	if end > l.Unit {
		t.Fatalf("fields end at byte %d of %d", end, l.Unit)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"<i", "T{<i:X:xxxx<d:Y:(16)<B:N:}", "(2,3)T{>Zd:A:7xT{<?:b:}:C:}", "T{64x}", "(", "T{T{T{", "T{<i:X:<i:X:}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := Parse(s)
		if err != nil {
			return
		}
		checkLayout(t, l, 0)
		again, err := Parse(l.String())
		if err != nil {
			// Writing can be longer than what was read: order codes are added.
			if len(l.String()) <= MaxFormat {
				t.Fatalf("%q was read but %q is refused: %v", s, l.String(), err)
			}
			return
		}
		if !reflect.DeepEqual(l, again) {
			t.Fatalf("%q was read as %+v, %q as %+v", s, l, l.String(), again)
		}
	})
}

func FuzzDiff(f *testing.F) {
	f.Add("<i", "<q")
	f.Add("T{<i:X:<i:Z:}", "T{<i:X:<i:Y:<i:Z:}")
	f.Add("T{<i:A:<i:B:}", "T{xxxx<i:B:<i:A:}")
	f.Add("(2)T{T{<b:A:x}:P:}", "(2)T{T{<b:A:xx}:P:}")
	f.Fuzz(func(t *testing.T, have, want string) {
		d := Diff(have, want)
		h, herr := Parse(have)
		w, werr := Parse(want)
		same := herr == nil && werr == nil && h.String() == w.String()
		if same != (d == "") {
			t.Fatalf("Diff(%q, %q) is %q", have, want, d)
		}
		if herr == nil && werr == nil && (d == "") != (Diff(want, have) == "") {
			t.Fatalf("Diff(%q, %q) depends on the order", have, want)
		}
		if herr == nil && Diff(have, have) != "" {
			t.Fatalf("Diff(%q) with itself is %q", have, Diff(have, have))
		}
	})
}
