package describe

// Peek makes the messages of positions from first to end the value, as many as are wanted. At
// returns the message of a position, and false when there is none to be read now.
//
// Errors: those of at.
func (v *View) Peek(first, end uint64, at func(p uint64) (value any, ok bool, err error)) error {
	if v.Want.Messages <= 0 {
		return nil
	}
	messages := []any{}
	for p := first; p != end; p++ {
		if len(messages) == v.Want.Messages {
			v.Cut = true
			break
		}
		value, ok, err := at(p)
		if err != nil {
			return err
		}
		if ok {
			messages = append(messages, value)
		}
	}
	v.Value = messages
	return nil
}
