// Package shmlog passes records of log/slog from any number of processes to one handler.
//
//	seg, err := shm.OpenOrCreate("service", shm.Options{})
//	…
//	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{}) // in each process
//	…
//	slog.SetDefault(slog.New(h))
//
// in one of them
//
//	l, err := shmlog.NewListener(seg, "log", slog.NewJSONHandler(os.Stderr, nil))
//	…
//	defer l.Close()
//
// A [Handler] writes records into a log, which is a queue in shared memory. A [Listener] takes them
// out and gives them to any other handler. So any number of processes, related or not, write one
// file, and no two of them open it.
//
// # Deaths
//
// A record is whole, and in the log, as soon as Handle has returned, whatever happens to its
// process then. A process that dies in Handle leaves no part of a record. A listener that is killed
// loses the record that it is giving to its handler; the next listener goes on behind that.
//
// # A full log
//
// A full log makes no process wait for longer than Options.WhenFull: the record is dropped and
// counted. A listener reports how many records were dropped, as a record of its own. An eighth of
// the log is kept for errors.
package shmlog
