// The programs that callers were about to run, held open for a moment: an alert that follows can still ask for them
// when the process is gone. Any thread.
#pragma once

#include <deque>
#include <mutex>
#include <optional>

#include "watch/caller_file.h"

namespace skep::watch {

class HeldFiles {
 public:
  static constexpr size_t kHeldMax = 256;  // beyond it the oldest goes
  static constexpr int64_t kHeldNs = 2'000'000'000;

  void put(pid_t process, Fd file, const FileFacts& facts, int64_t now_ns);
  struct Found {
    Fd file;
    FileFacts facts;
  };
  // The newest of the process that has this device and inode; where none has, its newest.
  std::optional<Found> find(pid_t process, uint64_t device, uint64_t inode) const;
  // Lets go of what is older than kHeldNs. False: none is left.
  bool expire(int64_t now_ns);

 private:
  struct Held {
    pid_t process;
    Fd file;
    FileFacts facts;
    int64_t since_ns;
  };
  // A mutex: threads that were spared put, watch's own finds, the notifier expires; each holds it for a few
  // instructions.
  mutable std::mutex mutex_;
  std::deque<Held> held_;
};

}  // namespace skep::watch
