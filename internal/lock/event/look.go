package event

// LookAt reads a copy of a flag, which has [Bytes]: whether it is set, and how often it was, modulo
// 2^31.
func LookAt(mem []byte) (set bool, times uint32) {
	w := regionIn(mem).word.Load()
	return w&isSet != 0, w / setOnce
}
