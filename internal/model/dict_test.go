package model

import (
	"slices"
	"testing"
)

const dict = "dict.pml"

// No reader returns a mixture, or a value that the key did not have; no acknowledged value is lost.
var soundDict = []check{
	{model: dict, flags: "WRITERS=1 ROUNDS=3"},
	{model: dict, flags: "WRITERS=2 DEATHS=1", size: trust},
	{model: dict, flags: "WRITERS=2 DEATHS=2 READS=2"},
}

// Each of these mistakes is found.
var brokenDict = []check{
	{model: dict, flags: "BROKEN_NO_VERSION", want: violated, size: trust},
	{model: dict, flags: "BROKEN_NO_LOAD_FENCE", want: violated},
	{model: dict, flags: "BROKEN_NO_STORE_FENCE", want: violated},
	{model: dict, flags: "BROKEN_SLOT_EARLY", want: violated},
	{model: dict, flags: "BROKEN_MEND_NO_VERSION DEATHS=1", want: violated},
}

func TestDict(t *testing.T) {
	for _, c := range slices.Concat(soundDict, brokenDict) {
		t.Run(c.name(), c.run)
	}
}

func TestDictFlags(t *testing.T) {
	checkFlags(t, dict, slices.Concat(soundDict, brokenDict))
}
