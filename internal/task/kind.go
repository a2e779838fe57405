package task

// The kinds of results.
const (
	KindValue  = 1
	KindError  = 2 // the task function returned an error
	KindPanic  = 3
	KindFailed = 4 // the pool could not run the task, or send its result
	KindChunk  = 5 // of several arguments: a frame with a kind for each, see chunk.go
	KindVector = 6 // of several arguments: values that are copied as they are, one after the other
	KindNil    = 7 // a value that is a nil slice; as KindValue it is empty
)
