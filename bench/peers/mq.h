// A message_queue of Boost.Interprocess that children inherit.
#ifndef MQ_H
#define MQ_H

#include <boost/interprocess/ipc/message_queue.hpp>
#include <string>
#include <vector>

using boost::interprocess::message_queue;

// new_queue makes a queue of that many messages. Its name is gone when it returns.
static inline message_queue *new_queue(size_t messages, size_t size) {
	std::string name = "shmkit-bench-" + std::to_string(getpid());
	auto *q = new message_queue(boost::interprocess::create_only, name.c_str(), messages, size);
	message_queue::remove(name.c_str());
	return q;
}

// receive_into waits for the oldest message and returns its length.
static inline size_t receive_into(message_queue *q, void *data, size_t size) {
	message_queue::size_type got;
	unsigned priority;
	q->receive(data, size, got, priority);
	return got;
}

#endif
