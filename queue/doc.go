// Package queue passes messages between processes through rings in shared memory.
package queue
