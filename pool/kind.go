package pool

// The kinds of results.
const (
	kindValue  = 1
	kindError  = 2 // the task function returned an error
	kindPanic  = 3
	kindFailed = 4 // the pool could not run the task, or send its result
	kindChunk  = 5 // of several arguments: a frame with a kind for each, see chunk.go
	kindVector = 6 // of several arguments: values that are copied as they are, one after the other
)
