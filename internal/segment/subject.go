package segment

import "github.com/shmkit/shmkit/internal/lock"

// Subject names the wait for this object in a role, for the board of those who wait.
func (o *Object) Subject(role lock.Role) lock.Subject {
	return lock.NewSubject(role, o.index, o.serial)
}
