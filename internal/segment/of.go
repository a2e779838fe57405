package segment

// Of returns the attachment that a *shm.Segment stands for. Package shm sets it when it is
// initialised: so the packages above it reach what is beneath the type that users see, and no
// method of that type has to name an internal one.
//
// Of a nil *shm.Segment it is nil, for which New and Open return an error: so a program can make a
// segment and its objects, and look at their errors once.
var Of func(public any) *Segment
