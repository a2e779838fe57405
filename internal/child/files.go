package child

import (
	"fmt"
	"os"
)

// InheritedFiles returns the files with those names that follow [OrderFD].
func InheritedFiles(names []string) ([]*os.File, error) {
	files := make([]*os.File, len(names))
	for i, name := range names {
		var err error
		if files[i], err = Inherited(OrderFD+1+i, name); err != nil {
			return nil, fmt.Errorf("option Files[%d]: %w", i, err)
		}
	}
	return files, nil
}

// CloseFiles closes files.
func CloseFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// FileNames returns what a child is told of its files.
func FileNames(files []*os.File) (names []string) {
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}
