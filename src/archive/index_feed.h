// IndexFeed: the thread that feeds the index with what all writers of an archive record, once their segments hold it.
// Whatever fails is tried again: rows wait until they are in the index, the newest of each session.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "archive/index.h"
#include "archive/summary.h"
#include "base/bounded_queue.h"

namespace skep::archive {

struct IndexBatch {
  unsigned writer = 0;
  uint64_t position = 0;  // in the writer's log: up to here its segments must hold it before a reader may be led there
  uint32_t segment = 0;   // with these rows the index has whatever of the writer's lies before this segment
  std::vector<SessionSummary> rows;
};

struct IndexFeedOptions {
  unsigned writers = 1;
  uint32_t segment = 1;                             // what lies before it is in the index already
  std::function<uint64_t(unsigned writer)> stored;  // up to where the writer's segments hold its log; any thread
  std::function<void(const SessionSummary&)> indexed = {};  // called on the thread with each row that is in the index
};

class IndexFeed {
 public:
  IndexFeed(std::string folder, IndexFeedOptions options);
  // What the segments hold by then is put into the index.
  ~IndexFeed();
  void start();

  // Any thread; each writer's in their order. False: too much waits, and it is to be given again later.
  bool push(IndexBatch batch) { return batches_.push(std::move(batch)); }

 private:
  void run();
  void take();
  Status store();
  bool any_early() const;

  const std::string folder_;
  const IndexFeedOptions options_;
  BoundedQueue<IndexBatch> batches_;
  // The thread's.
  std::vector<std::deque<IndexBatch>> early_;  // of each writer: its segments do not hold yet what they lead to
  std::vector<uint32_t> least_;                // … and the least segment that may hold what the index lacks
  std::map<uint64_t, SessionSummary> waiting_;
  std::optional<Index> index_;
  uint32_t said_ = 0;  // to the index, of `least_`
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace skep::archive
