// Package task is what a pool and its workers know of tasks without their types: how arguments and
// results travel, alone and in chunks, how errors cross processes, and which tasks there are.
//
// Package pool defines tasks with their types and registers them here. A worker finds a task by its
// id, gives it the bytes of an argument, and takes the bytes of the result by a [Reply].
package task
