// Command marked passes one crash point.
package main

import "github.com/shmkit/shmkit/internal/crashpoint"

func main() { crashpoint.Here("marked.by.this.unlikely.name") }
