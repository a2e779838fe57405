package segment

// Of returns the attachment that a *shm.Segment stands for. Package shm sets it when it is
// initialised: so the packages above it reach what is beneath the type that users see, and no
// method of that type has to name an internal one.
var Of func(public any) *Segment
