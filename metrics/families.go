package metrics

import "github.com/prometheus/client_golang/prometheus"

// A family is a metric with its labels.
type family struct {
	name string
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// families are all metrics.
var families []*family

func gauge(name, help string, labels ...string) *family {
	return newFamily(name, help, prometheus.GaugeValue, labels)
}

func counter(name, help string, labels ...string) *family {
	return newFamily(name, help, prometheus.CounterValue, labels)
}

// histogram returns a family for what [emitter.histogram] passes on.
func histogram(name, help string, labels ...string) *family {
	return newFamily(name, help, prometheus.UntypedValue, labels)
}

func newFamily(name, help string, kind prometheus.ValueType, labels []string) *family {
	f := &family{name, prometheus.NewDesc(name, help, labels, nil), kind}
	families = append(families, f)
	return f
}

// Of segments.
var (
	segmentInfo      = gauge("shmkit_segment_info", "1 for each segment.", "segment", "identity", "format")
	segmentSize      = gauge("shmkit_segment_size_bytes", "Capacity of the segment.", "segment")
	segmentReserved  = gauge("shmkit_segment_reserved_bytes", "Memory that the segment takes.", "segment")
	segmentFree      = gauge("shmkit_segment_free_bytes", "Room for objects and messages.", "segment")
	segmentObjects   = gauge("shmkit_segment_objects", "Objects with a name.", "segment")
	segmentLimit     = gauge("shmkit_segment_objects_limit", "Objects that there can be at once.", "segment")
	segmentRemoved   = gauge("shmkit_segment_objects_removed", "Objects that have no name any more, and are in use.", "segment")
	segmentProcesses = gauge("shmkit_segment_processes", "Attachments: living, or ended with a slot that is not in use again.", "segment", "state")
	processLimit     = gauge("shmkit_segment_processes_limit", "Attachments that there can be at once.", "segment")
	segmentTrouble   = gauge("shmkit_segment_trouble", "Things in the segment that contradict each other.", "segment")
	segmentDeaths    = counter("shmkit_segment_deaths_total", "Processes that ended without detaching.", "segment")
	segmentTakeovers = counter("shmkit_segment_takeovers_total", "Locks, units, messages and ends that were taken over from processes that died.", "segment")
	segmentRebuilds  = counter("shmkit_segment_rebuilds_total", "Repairs of the directory after a process had died changing it.", "segment")
	objectsOmitted   = gauge("shmkit_objects_omitted", "Objects that are in sums only.", "segment")
	segmentsSkipped  = gauge("shmkit_segments_skipped", "Files that look like segments and cannot be read.")
)

// Of waits.
var (
	waiters       = gauge("shmkit_waiters", "Waits for the object.", "segment", "object", "kind", "role")
	waitLongest   = gauge("shmkit_wait_longest_seconds", "Age of the oldest wait for the object.", "segment", "object", "kind", "role")
	waitsUnlisted = gauge("shmkit_waits_unlisted", "Waits that have no place in the list of waits.", "segment")
	waitCycles    = gauge("shmkit_wait_cycles", "Cycles of processes that wait for each other.", "segment")
)

// Of locks and semaphores.
var (
	lockSuspect   = gauge("shmkit_lock_suspect", "1 while the lock waits for repair after a death.", "segment", "object", "kind")
	lockHeld      = gauge("shmkit_lock_held", "1 while a process has the lock.", "segment", "object", "kind")
	semaphore     = gauge("shmkit_semaphore_units", "Units of the semaphore.", "segment", "object")
	semaphoreFree = gauge("shmkit_semaphore_units_free", "Units that are free.", "segment", "object")
)

// Of queues.
var (
	queueMessages   = gauge("shmkit_queue_messages", "Messages in the queue.", "segment", "object", "kind")
	queueCapacity   = gauge("shmkit_queue_capacity_messages", "Messages that there is room for.", "segment", "object", "kind")
	queueUsed       = gauge("shmkit_queue_used_bytes", "Bytes of messages in the queue.", "segment", "object", "kind")
	queueRoom       = gauge("shmkit_queue_capacity_bytes", "Bytes that there is room for.", "segment", "object", "kind")
	queueUnfinished = gauge("shmkit_queue_unfinished", "Messages that were taken and not reported as done.", "segment", "object", "kind")
	queueClosed     = gauge("shmkit_queue_closed", "1 when the queue is closed.", "segment", "object", "kind")
	queuePut        = counter("shmkit_queue_put_total", "Messages that were put.", "segment", "object", "kind")
	queueGot        = counter("shmkit_queue_got_total", "Messages that were taken.", "segment", "object", "kind")
	queueDropped    = counter("shmkit_queue_dropped_total", "Messages that were dropped for want of room.", "segment", "object", "kind")
	queueAbandoned  = counter("shmkit_queue_abandoned_total", "Messages that were lost with a process.", "segment", "object", "kind")
	queueSleeps     = counter("shmkit_queue_sleeps_total", "Waits that went to sleep.", "segment", "object", "kind")
	queueBytes      = counter("shmkit_queue_put_bytes_total", "Bytes of messages that were put.", "segment", "object", "kind")
	queueHighWater  = gauge("shmkit_queue_high_water_messages", "Most messages that there were at once.", "segment", "object", "kind")
)

// Of containers.
var (
	dictKeys     = gauge("shmkit_dict_keys", "Keys of the Dict.", "segment", "object")
	listElements = gauge("shmkit_list_elements", "Elements of the List.", "segment", "object")
)

// Of pools.
var (
	poolWorkers     = gauge("shmkit_pool_workers", "Workers that have a process.", "pool")
	poolPending     = gauge("shmkit_pool_tasks_pending", "Tasks that are queued, run, or have a result that is being taken.", "pool")
	poolQueued      = gauge("shmkit_pool_tasks_queued", "Tasks that no worker has begun.", "pool")
	poolSubmitted   = counter("shmkit_pool_tasks_submitted_total", "Arguments of tasks that were submitted.", "pool", "task")
	poolTasks       = counter("shmkit_pool_tasks_total", "Arguments of tasks that have ended, by how.", "pool", "task", "outcome")
	poolRetries     = counter("shmkit_pool_retries_total", "Attempts after the first.", "pool", "task")
	poolExits       = counter("shmkit_pool_worker_exits_total", "Workers that have ended before their pool.", "pool", "reason")
	poolLogDropped  = counter("shmkit_pool_log_dropped_total", "Log records that were dropped, because the log was full.", "pool")
	poolRunSeconds  = histogram("shmkit_pool_run_seconds", "How long an argument runs, of a sample.", "pool", "task")
	poolWaitSeconds = histogram("shmkit_pool_total_seconds", "From the submission of a task, or a chunk, to its result, of a sample.", "pool", "task")
	poolCPU         = counter("shmkit_pool_cpu_seconds_total", "Processor time of the workers of now.", "pool", "worker")
	poolMemory      = gauge("shmkit_pool_resident_bytes", "Memory of the workers, shared memory not counted.", "pool", "worker")
)

var scrapeSeconds = gauge("shmkit_scrape_duration_seconds", "How long this collection took.")
