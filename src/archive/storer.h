// Storer: brings what the ring holds into the segments' files, on a thread of its own. It writes whole blocks past the
// page cache, 1 MiB at a time or what has gathered in commit_ms, and has the disk confirm it as often: that bounds what
// a loss of power can take. What cannot be written stays in the ring and is tried again.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "archive/ring.h"
#include "base/bytes.h"

namespace skep::archive {

struct StorerOptions {
  uint32_t commit_ms = 10;
  bool tell_durable = false;               // somebody waits at durable_fd()
  std::function<void(uint32_t)> finished;  // on its thread: this segment is whole in its file and grows no more
};

class Storer {
 public:
  Storer(Ring& ring, StorerOptions options);
  // Stores what it still can.
  ~Storer();
  // … from here on, while its owner sees to something else.
  void stop();

  // The appender's thread. `file` is the segment that begins at `start`; before the ring's head passes there.
  void begin_segment(Fd file, uint32_t number, uint64_t start);
  // The one that was begun last ends at the ring's head, and none follows yet.
  void end_segment();
  // After each commit: wakes the thread where it sleeps, or where enough has gathered.
  void committed(uint64_t head);
  // What is in the ring is wanted on disk now, not when its time has come.
  void hurry();
  // Waits until everything up to `position` is in its file, at most so long. False: it is not.
  bool await_stored(uint64_t position, int64_t timeout_ms);

  // Any thread. True while the files cannot be written.
  bool failing() const { return failing_.load(); }
  // Up to where the disk has confirmed; its descriptor is readable whenever that has moved on.
  uint64_t durable() const { return durable_.load(); }
  int durable_fd() const { return moved_.get(); }

 private:
  struct Segment {
    Fd file;
    uint32_t number = 0;
    uint64_t start = 0;
    uint64_t end = 0;  // 0: records are still added
  };
  void run();
  bool at_rest() const;
  void wait_for_work();
  bool store();
  bool store_segment(Segment& segment, uint64_t to);
  bool seal(Segment& segment);
  bool confirm();
  void set_durable(uint64_t position);
  void failed(const char* what, uint32_t number);
  Segment* front();

  Ring& ring_;
  const StorerOptions options_;
  std::mutex mutex_;  // of the list, which changes once a segment; never held over a call to the disk
  std::deque<Segment> segments_;
  Fd wake_;
  Fd moved_;
  std::atomic<bool> asleep_{false};
  std::atomic<bool> hurried_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failing_{false};
  std::atomic<uint64_t> durable_{0};
  std::atomic<bool> ended_{false};  // the oldest segment has its end, and waits to be finished
  uint64_t next_wake_ = 0;          // the appender's
  int64_t confirmed_ns_ = 0;        // this and the next two: the thread's
  bool at_once_ = false;
  uint8_t* tail_block_ = nullptr;
  std::thread thread_;
};

}  // namespace skep::archive
