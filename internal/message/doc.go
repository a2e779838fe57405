// Package message turns the values of one type into bytes and back, between processes that need not
// be of the same build: those of fixed size, and slices of such values, as they are, all others as
// CBOR. Both sides compare the signatures of their codecs before they exchange values.
package message
