package model

import (
	"os"
	"regexp"
	"slices"
	"strings"
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

// Each mistake that the model can make is made.
func TestDictFlags(t *testing.T) {
	text, err := os.ReadFile(dict)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range slices.Concat(soundDict, brokenDict) {
		for flag := range strings.FieldsSeq(c.flags) {
			flag, _, _ = strings.Cut(flag, "=")
			all = append(all, flag)
			if !regexp.MustCompile(`(?m)^#if.*\b` + flag + `\b`).Match(text) {
				t.Errorf("%s: the model does not know %s", c.name(), flag)
			}
		}
	}
	for _, flag := range regexp.MustCompile(`BROKEN_[A-Z_]+`).FindAllString(string(text), -1) {
		if !slices.Contains(all, flag) {
			t.Errorf("no check makes the mistake %s", flag)
		}
	}
}
