package manager

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/internal/handshake"
	"github.com/shmkit/shmkit/shm"
)

var errOtherType = fmt.Errorf("the object of that name is another one: %w", shm.ErrMismatch)

// A Server is a manager in this process: it keeps objects, and runs their methods for clients. It
// is made by [Serve].
type Server struct {
	o           Options
	l           net.Listener
	address     string
	incarnation uint64
	ctx         context.Context // of all calls; ends with Kill, or when Close has waited
	cancel      context.CancelFunc
	serial      atomic.Uint64 // of the last object
	closing     sync.WaitGroup
	work        sync.WaitGroup // the goroutines of connections
	ended       chan struct{}  // closed at the very end

	mu       sync.Mutex
	objects  map[uint64]*object
	names    map[string]*name
	pins     map[token]*pin
	sessions map[*session]bool
	draining bool // no new requests
	ending   bool // objects are closed in order, at the very end
}

// Serve makes this process a manager for the clients that dial l, which belongs to the Server from
// then on. It returns at once. When ctx ends, the server ends as by [Server.Kill].
//
// Errors: options that can never be right; the cause of the end of ctx.
func Serve(ctx context.Context, l net.Listener, o Options) (*Server, error) {
	o, err := o.complete()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	var incarnation [8]byte
	rand.Read(incarnation[:])
	s := &Server{
		o: o, l: l, address: cmp.Or(o.Name, l.Addr().String()), incarnation: binary.LittleEndian.Uint64(incarnation[:]) | 1,
		ended: make(chan struct{}), objects: map[uint64]*object{}, names: map[string]*name{},
		pins: map[token]*pin{}, sessions: map[*session]bool{},
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(s.accept)
	context.AfterFunc(ctx, s.Kill)
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.l.Addr() }

// Done is closed when the server has ended and its objects are closed.
func (s *Server) Done() <-chan struct{} { return s.ended }

// maxHandshakes is how many connections do their handshakes at once.
const maxHandshakes = 64

// accept takes connections. A client that is silent does not hold up others.
func (s *Server) accept() {
	handshakes := make(chan struct{}, maxHandshakes)
	pause := time.Millisecond
	for {
		conn, err := s.l.Accept()
		if errors.Is(err, net.ErrClosed) || s.isDraining() {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil { // such as too many open files
			event.Show(slog.LevelError, "manager: a connection was not accepted", slog.String("error", err.Error()))
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
				return
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		handshakes <- struct{}{} // one of them ends, in 5 seconds at most
		s.work.Go(func() {
			err := s.greet(conn)
			<-handshakes
			if err != nil {
				event.Show(slog.LevelWarn, "manager: a client was refused", slog.String("client", conn.RemoteAddr().String()),
					slog.String("error", err.Error()))
			}
		})
	}
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// greet does the handshake with a client, and begins a session.
func (s *Server) greet(conn net.Conn) error {
	if err := handshake.New(s.o.Key).Do(s.ctx, conn); err != nil {
		handshake.Refuse(conn)
		return err
	}
	e := newSession(s, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		conn.Close()
		return ErrClosed
	}
	s.sessions[e] = true
	e.begin()
	return nil
}

// Close ends the server: it takes no more requests, waits until the calls that run have ended and
// their results are sent, or until ctx ends, and closes the objects, the youngest first.
//
// Errors: the cause of the end of ctx: then the contexts of the calls that run have ended, and the
// server does not wait for them.
func (s *Server) Close(ctx context.Context) error {
	sessions := s.drain()
	for _, e := range sessions {
		e.goodbye()
	}
	var err error
	for _, e := range sessions {
		if err == nil {
			err = e.awaitIdle(ctx)
		}
	}
	if err != nil {
		go s.end()
		return err
	}
	s.end()
	return nil
}

// Kill ends the server at once: the contexts of the calls that run end, and clients see that the
// manager is lost. It does not wait.
func (s *Server) Kill() {
	s.drain()
	go s.end()
}

// drain stops what is new, and returns the sessions.
func (s *Server) drain() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	all := make([]*session, 0, len(s.sessions))
	for e := range s.sessions {
		all = append(all, e)
	}
	return all
}

// end ends all sessions, and closes the objects that are left. It may be called again.
func (s *Server) end() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.cancel()
	s.l.Close()
	for _, e := range s.drain() {
		e.end(ErrClosed)
	}
	s.work.Wait()
	s.mu.Lock()
	left := make([]*object, 0, len(s.objects))
	for _, o := range s.objects {
		left = append(left, o)
	}
	clear(s.objects)
	clear(s.names)
	for _, p := range s.pins {
		p.expires.Stop()
	}
	clear(s.pins)
	s.mu.Unlock()
	slices.SortFunc(left, func(a, b *object) int { return cmp.Compare(b.serial, a.serial) })
	for _, o := range left {
		s.closeObject(o)
	}
	s.closing.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
	default:
		close(s.ended)
	}
}
