package main

import (
	"encoding/hex"

	"github.com/fxamacker/cbor/v2"
)

// diagnostic is CBOR in the diagnostic notation of RFC 8949. What is damaged is shown in
// hexadecimal digits.
func diagnostic(b []byte) string {
	text, err := cbor.Diagnose(b)
	if err != nil {
		return "h'" + hex.EncodeToString(b) + "'"
	}
	return quoted(text)
}
