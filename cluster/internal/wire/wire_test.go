package wire

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

func samples() (t Task, large Task, r Result, h Held, l Life, c Cancel, p Piece) {
	t = Task{Client: "c1", ID: 1<<63 + 7, Name: "square", Signature: 9, Count: 3, Soft: time.Second, Hard: time.Minute, Deaf: 3,
		Attempts: 4, Kills: 2, Carry: [CarryBytes]byte{1, 2}, Size: 5, Arg: []byte("hello")}
	large = t
	large.Attempts = -1
	large.Size, large.Arg, large.Digest = Inline+1, nil, 77
	r = Result{ID: 8, Kind: 1, At: 2, Split: true, Kills: 3, Ran: time.Millisecond, Worker: "Worker-1", PID: 3, Began: 12345, Size: 3, Bytes: []byte("abc"),
		Trouble: &Trouble{Died: &Died{Attempts: 2, Worker: "Worker-1", PID: 7, ExitCode: -9, Signal: "killed", Stderr: "last words", Host: "a"}}}
	h = Held{Host: "h1", Items: []HeldItem{{1, 1, "$JS.ACK.x"}, {2, 5, "$JS.ACK.y"}}}
	l = Life{Host: "h1", Name: "box", PID: 12, Build: "b", Workers: 8, Held: 9, Leaving: true, Tags: []string{"gpu"}, Tasks: []Signature{{"square", 5}, {"sum", 6}}}
	c = Cancel{Client: "c1", IDs: []uint64{3, 1 << 40}}
	p = Piece{Client: "c1", ID: 4, Offset: 1 << 20}
	return
}

func TestMessagesArriveAsTheyWereSent(t *testing.T) {
	task, large, result, held, life, cancel, piece := samples()
	equal := func(got, want any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
	none, empty := task, task
	none.Size, none.Nil, none.Arg = 0, true, nil
	empty.Size, empty.Arg = 0, []byte{}
	for _, want := range []Task{task, large, none, empty} {
		got, err := ReadTask(AppendTask(nil, &want))
		equal(got, want, err)
	}
	b := AppendResult(AppendResult(nil, &result), &Result{ID: 9, Bytes: []byte{}})
	got, rest, err := ReadResult(b)
	equal(got, result, err)
	second, rest, err := ReadResult(rest)
	equal(second, Result{ID: 9, Bytes: []byte{}}, err)
	if len(rest) != 0 {
		t.Errorf("%d bytes are left", len(rest))
	}
	gotHeld, err := ReadHeld(AppendHeld(nil, &held))
	equal(gotHeld, held, err)
	gotLife, err := ReadLife(AppendLife(nil, &life))
	equal(gotLife, life, err)
	gotCancel, err := ReadCancel(AppendCancel(nil, &cancel))
	equal(gotCancel, cancel, err)
	gotPiece, err := ReadPiece(AppendPiece(nil, &piece))
	equal(gotPiece, piece, err)
}

func TestMessageThatIsCutIsRefused(t *testing.T) {
	task, large, result, held, _, _, piece := samples()
	for what, c := range map[string]struct {
		b    []byte
		read func([]byte) error
	}{
		"task":       {AppendTask(nil, &task), func(b []byte) error { _, err := ReadTask(b); return err }},
		"large task": {AppendTask(nil, &large), func(b []byte) error { _, err := ReadTask(b); return err }},
		"result":     {AppendResult(nil, &result), func(b []byte) error { _, _, err := ReadResult(b); return err }},
		"piece":      {AppendPiece(nil, &piece), func(b []byte) error { _, err := ReadPiece(b); return err }},
		"host":       {AppendHeld(nil, &Held{Host: held.Host}), func(b []byte) error { _, err := ReadHeld(b); return err }},
	} {
		for n := range c.b {
			if c.read(c.b[:n]) == nil {
				t.Errorf("%s: the first %d of %d bytes are taken for a whole one", what, n, len(c.b))
			}
		}
	}
}

func TestSetIsThatOfTasksAndTags(t *testing.T) {
	_, _, _, _, a, _, _ := samples()
	b := a
	b.Host, b.Name, b.PID = "other", "other", 1
	b.Tasks = []Signature{a.Tasks[1], a.Tasks[0]}
	if a.Set() != b.Set() {
		t.Error("hosts with the same tasks and tags have different sets")
	}
	b.Tags = nil
	if a.Set() == b.Set() {
		t.Error("hosts with different tags have the same set")
	}
	b.Tags, b.Tasks = a.Tags, []Signature{{"square", 6}, {"sum", 6}}
	if a.Set() == b.Set() {
		t.Error("hosts with different types of a task have the same set")
	}
}

// FuzzRead has every decoder read the bytes. What one takes must come out again as it went in.
func FuzzRead(f *testing.F) {
	task, large, result, held, life, cancel, piece := samples()
	for _, b := range [][]byte{nil, AppendTask(nil, &task), AppendTask(nil, &large), append(AppendTask(nil, &Task{Client: "c1", Count: 1}), 1), append(AppendTask(nil, &Task{Client: "c1", Count: 1}), 0), AppendResult(nil, &result), AppendHeld(nil, &held),
		AppendLife(nil, &life), AppendCancel(nil, &cancel), AppendPiece(nil, &piece)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := ReadTask(b); err == nil {
			again, err := ReadTask(AppendTask(nil, &v))
			if err != nil || !reflect.DeepEqual(again, v) {
				t.Errorf("task %+v: %+v, %v", v, again, err)
			}
		}
		for rest := b; len(rest) > 0; {
			v, more, err := ReadResult(rest)
			if err != nil {
				break
			}
			if len(more) >= len(rest) {
				t.Fatal("a result has no bytes")
			}
			rest = more
			again, left, err := ReadResult(AppendResult(nil, &v))
			if err != nil || len(left) > 0 || again.ID != v.ID || !bytes.Equal(again.Bytes, v.Bytes) {
				t.Errorf("result %+v: %+v, %v", v, again, err)
			}
		}
		if v, err := ReadHeld(b); err == nil {
			if again, err := ReadHeld(AppendHeld(nil, &v)); err != nil || !reflect.DeepEqual(again, v) {
				t.Errorf("held %+v: %+v, %v", v, again, err)
			}
		}
		if v, err := ReadLife(b); err == nil {
			if again, err := ReadLife(AppendLife(nil, &v)); err != nil || !reflect.DeepEqual(again, v) {
				t.Errorf("life %+v: %+v, %v", v, again, err)
			}
			v.Set()
		}
		if v, err := ReadCancel(b); err == nil {
			if again, err := ReadCancel(AppendCancel(nil, &v)); err != nil || !reflect.DeepEqual(again, v) {
				t.Errorf("cancel %+v: %+v, %v", v, again, err)
			}
		}
		if v, err := ReadPiece(b); err == nil {
			if again, err := ReadPiece(AppendPiece(nil, &v)); err != nil || again != v {
				t.Errorf("piece %+v: %+v, %v", v, again, err)
			}
		}
	})
}
