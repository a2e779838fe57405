package frame

import (
	"errors"
	"fmt"
)

// ErrTooLarge says that a payload is larger than its receiver takes.
var ErrTooLarge = errors.New("too large")

// An Assembly puts the pieces of one payload together. The zero value is empty.
type Assembly struct {
	pieces []byte
}

// Add adds a piece that is not the last one. The memory grows with what has arrived, not with what
// the sender says will.
//
// Errors: [ErrTooLarge] when the payload has more than most bytes.
func (a *Assembly) Add(piece []byte, most int) error {
	if len(a.pieces)+len(piece) > most {
		return fmt.Errorf("%w: a message of more than %d bytes", ErrTooLarge, most)
	}
	a.pieces = append(a.pieces, piece...)
	return nil
}

// Len is how many bytes have been added.
func (a *Assembly) Len() int { return len(a.pieces) }

// Last returns the whole payload, of which piece is the last one, and empties the Assembly. A
// payload of one piece is the piece itself.
//
// Errors: as for Add.
func (a *Assembly) Last(piece []byte, most int) ([]byte, error) {
	if len(a.pieces) == 0 && len(piece) <= most {
		return piece, nil
	}
	err := a.Add(piece, most)
	whole := a.pieces
	a.pieces = nil
	return whole, err
}
