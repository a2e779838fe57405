/*
 * One slot of the process table of internal/proctab, and the robust lists of
 * the processes that claim and leave it, each in a PID namespace of its own:
 * all keepers have the same thread id, so the kernel cannot tell to which
 * process the word in a slot belongs. Checked: the kernel never marks a living
 * process as dead, and the slot of a dead process is never left as alive.
 *
 *	PROCS     processes, 2 or 3
 *	ROUNDS    attachments of each
 *	BROKEN_*  one mistake each, which spin must find
 */

#ifndef PROCS
#define PROCS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif

#define FREE  0
#define ALIVE 1 /* the thread id of every keeper */
#define DIED  2

#define NOBODY PROCS

/* The slot: the liveness word, and the epoch in the other half of the 64 bits. */
byte live, epoch;

/* The kernel: the robust list of each process, and the process that has the file locked. */
bool listed[PROCS], pending[PROCS];
byte fileLock = NOBODY;

bool gone[PROCS];

/* Only the properties use it: the process that has the slot. */
byte occupant = NOBODY;

#ifdef BROKEN_NO_FILE_LOCK
#define fileFree true
#else
#define fileFree (fileLock == NOBODY)
#endif

/* Mirrors the lock of an open file description of its own: the kernel frees it at death. */
inline lockFile() {
	atomic { fileFree -> fileLock = self }
}

inline unlockFile() {
	fileLock = NOBODY
}

proctype process(byte self) {
	byte e, was, round;
	bool won;
	{
		do
		:: round < ROUNDS ->
			/* Mirrors claim. */
			lockFile();
			atomic { was = live; e = epoch }
			if
			:: was == ALIVE -> unlockFile(); break /* the table is full */
			:: else
			fi;
#ifndef BROKEN_CLAIM_NO_PENDING
			pending[self] = true;
#endif
			atomic {
				won = (live == was && epoch == e);
				if
				:: won -> live = ALIVE; epoch++; e++; occupant = self
				:: else
				fi
			}
			if
			:: won -> listed[self] = true
			:: else
			fi;
			pending[self] = false;
			unlockFile();

			if
			:: !won -> break
			:: else
			fi;
			assert(live == ALIVE && occupant == self);

			/* Mirrors detach. */
			lockFile();
#ifndef BROKEN_DETACH_NO_PENDING
			pending[self] = true;
#endif
			listed[self] = false;
			atomic {
				if
				:: live == ALIVE && epoch == e -> live = FREE; occupant = NOBODY
				:: else
				fi
			}
			pending[self] = false;
			unlockFile();
			round++
		:: else -> break
		od;
		atomic { was = 0; e = 0; round = 0; won = false }
	} unless {
		atomic { gone[self] -> was = 0; e = 0; round = 0; won = false }
	}
}

/* The kernel at the death of a process: first its robust list, then its file locks. */
proctype kernel(byte p) {
	if
	:: atomic { true -> gone[p] = true } /* killed at any time */
		atomic {
			if
			:: (listed[p] || pending[p]) && live == ALIVE ->
				assert(occupant == p);
				live = DIED
			:: else
			fi;
			assert(occupant != p || live != ALIVE);
			if
			:: occupant == p -> occupant = NOBODY
			:: else
			fi
		}
		atomic {
			if
			:: fileLock == p -> fileLock = NOBODY
			:: else
			fi
		}
	:: true /* never killed */
	fi
}

init {
	byte i;
	atomic {
		for (i : 0 .. PROCS - 1) {
			run process(i);
			run kernel(i)
		}
	}
}
