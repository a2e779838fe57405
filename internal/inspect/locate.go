package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/environ"
)

// A Skipped is something that could not be read, and why.
type Skipped struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// A Search says where segments are looked for.
type Search struct {
	Dir         string // "": the user's own directory, those of others, and /dev/shm
	NoAnonymous bool   // leave out those without a name
}

const memoryDir = "/dev/shm"

// ownDir is the directory of the segments of this user. Unlike the library it does not make it.
func ownDir() string {
	if dir := environ.Get("SHMKIT_DIR"); dir != "" {
		return dir
	}
	return filepath.Join(memoryDir, "shmkit-"+strconv.Itoa(me()))
}

// A fileID tells files apart.
type fileID struct{ device, inode uint64 }

// A finder collects files, each once.
type finder struct {
	files   []*File
	seen    map[fileID]bool
	skipped []Skipped
}

// Dirs are the directories in which segments are looked for.
func (s Search) Dirs() []string {
	if s.Dir != "" {
		return []string{s.Dir}
	}
	dirs := []string{ownDir()}
	others, _ := filepath.Glob(filepath.Join(memoryDir, "shmkit-*"))
	for _, dir := range others {
		if fi, err := os.Lstat(dir); err == nil && fi.IsDir() && dir != dirs[0] {
			dirs = append(dirs, dir)
		}
	}
	return append(dirs, memoryDir)
}

// Find opens every segment that can be found. The caller closes the files.
func (s Search) Find() (files []*File, skipped []Skipped) {
	f := finder{seen: map[fileID]bool{}}
	for _, dir := range s.Dirs() {
		f.inDir(dir, s.Dir == "")
	}
	if !s.NoAnonymous && s.Dir == "" {
		f.anonymous()
	}
	return f.files, f.skipped
}

func (f *finder) skip(path string, err error) {
	f.skipped = append(f.skipped, Skipped{path, reason(err)})
}

// reason is an error without the path, which stands beside it.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "not readable for this user"
	case errors.Is(err, fs.ErrNotExist):
		return "is not there any more"
	}
	return err.Error()
}

// inDir looks at the files of a directory.
func (f *finder) inDir(dir string, mayLack bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !mayLack || !errors.Is(err, fs.ErrNotExist) {
			f.skip(dir, err)
		}
		return
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			f.take(Open(filepath.Join(dir, e.Name())))
		}
	}
}

// take keeps a file that is a segment and was not found before.
func (f *finder) take(file *File, err error) {
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) && !errors.Is(err, fs.ErrNotExist) {
			f.skip(at.Path, err)
		}
		return
	}
	id := fileID{file.Stat.Device, file.Stat.Inode}
	if f.seen[id] || !file.isSegment() {
		file.Close()
		return
	}
	f.seen[id] = true
	f.files = append(f.files, file)
}

// isSegment reports whether the file begins like a segment of any version.
func (f *File) isSegment() bool {
	begin := make([]byte, 8)
	n, err := f.ReadAt(begin, 0)
	return (err == nil || errors.Is(err, io.EOF)) && directory.HasMagic(begin[:n])
}

// anonymous looks at what the processes have open that has no name.
func (f *finder) anonymous() {
	unreadable := 0
	for _, pid := range processIDs() {
		if err := f.ofProcess(pid); errors.Is(err, fs.ErrPermission) {
			unreadable++
		}
	}
	if unreadable > 0 {
		f.skipped = append(f.skipped, Skipped{"/proc", fmt.Sprintf("%d processes of other users: not readable", unreadable)})
	}
}

// processIDs are the processes that procfs shows.
func processIDs() (pids []int) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// ofProcess looks at the files without a name that a process has open.
func (f *finder) ofProcess(pid int) error {
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		link, linkErr := os.Readlink(dir.Name() + "/" + name)
		fd, notNumber := strconv.Atoi(name)
		if called, ok := namelessFile(link); ok && linkErr == nil && notNumber == nil {
			f.take(openCalled(pid, fd, called))
		}
	}
	return err
}

func openCalled(pid, fd int, called string) (*File, error) {
	file, err := OpenDescriptor(pid, fd, called)
	if err == nil && strings.HasPrefix(called, "memfd:") {
		file.Path = fmt.Sprintf("%s@%d", called, pid)
	}
	return file, err
}

// namelessFile reports whether a link of a process's descriptor leads to a file that may be a
// segment and has no name, and what it is called.
func namelessFile(link string) (called string, ok bool) {
	called, deleted := strings.CutSuffix(link, " (deleted)")
	if name, ok := strings.CutPrefix(called, "/memfd:"); ok {
		return "memfd:" + name, strings.HasPrefix(name, "shmkit")
	}
	return called, deleted && (strings.HasPrefix(called, memoryDir+"/") || strings.HasPrefix(filepath.Base(called), ".shmkit-") ||
		strings.HasPrefix(filepath.Base(called), "#"))
}

// Locate opens the segments that a name means: NAME in the user's directory, a PATH with a slash,
// @PID for those without a name that a process has open, id:… for one by its identity or the
// beginning of it.
//
// Errors: [fs.ErrNotExist], [fs.ErrPermission], [ErrFormat].
func (s Search) Locate(name string) ([]*File, error) {
	if pid, ok := strings.CutPrefix(name, "@"); ok {
		return ofPID(name, pid)
	}
	if id, ok := strings.CutPrefix(name, "id:"); ok {
		return s.byIdentity(id)
	}
	if f, err := s.byShownName(name); f != nil || err != nil {
		return f, err
	}
	name, err := s.Path(name)
	if err != nil {
		return nil, err
	}
	f, err := Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no segment: check the name, or look at shmkit ls: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	return []*File{f}, nil
}

// Path is where the segment of that name is: a plain name is one in the user's directory.
//
// Errors: [fs.ErrInvalid].
func (s Search) Path(name string) (string, error) {
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return "", fmt.Errorf("%q: is no name of a segment: %w", name, fs.ErrInvalid)
	case strings.Contains(name, "/"):
		return filepath.Abs(name)
	case s.Dir != "":
		return filepath.Abs(filepath.Join(s.Dir, name))
	}
	return filepath.Join(ownDir(), name), nil
}

// byShownName finds an anonymous segment by the name that ls shows, as shmkit@123.
func (s Search) byShownName(name string) ([]*File, error) {
	_, pid, ok := strings.Cut(name, "@")
	if !ok {
		return nil, nil
	}
	files, err := ofPID(name, pid)
	if err != nil {
		return nil, nil // it may be the name of a file
	}
	return slices.DeleteFunc(files, func(f *File) bool {
		other := nameOf(f) != name
		if other {
			f.Close()
		}
		return other
	}), nil
}

func ofPID(name, text string) ([]*File, error) {
	pid, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("%q: is no process id: %w", name, fs.ErrInvalid)
	}
	f := finder{seen: map[fileID]bool{}}
	if err := f.ofProcess(pid); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(f.files) == 0 {
		return nil, fmt.Errorf("process %d has no segment open that has no name: %w", pid, fs.ErrNotExist)
	}
	return f.files, nil
}

func (s Search) byIdentity(id string) (found []*File, err error) {
	files, _ := s.Find()
	for _, f := range files {
		if seg, err := Read(f); err == nil && strings.HasPrefix(seg.Identity, id) {
			found = append(found, f)
		} else {
			f.Close()
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("id:%s: no segment has that identity: %w", id, fs.ErrNotExist)
	}
	return found, nil
}
