package pipe

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/proctab"
)

// An offer is what a dialer puts into the backlog: which pipe it has made.
type offer struct {
	Dialer uint64 // owner id
	Number uint64
}

const offerFormat = "conn-%d-%d"

// name is the name of the pipe.
func (o offer) name() string { return fmt.Sprintf(offerFormat, o.Dialer, o.Number) }

// offerNamed is the offer of the pipe of that name, if the name is one of an offer.
func offerNamed(name string) (o offer, ok bool) {
	_, err := fmt.Sscanf(name, offerFormat, &o.Dialer, &o.Number)
	return o, err == nil && o.name() == name
}

func (o offer) dialer() proctab.Owner { return proctab.Owner(o.Dialer & proctab.OwnerMask) }
