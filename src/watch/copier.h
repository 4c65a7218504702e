// Evidence as watch takes it: what a caller is about to run is held while seccomp stops it, and copied when the judge
// asks for it. Copied, never parsed: the first SKEP_FILE_BYTES_MAX bytes into a sealed memfd, which is the judge's to
// read. Whatever a caller can hold up happens on threads that can be spared.
#pragma once

#include <atomic>
#include <deque>
#include <memory>

#include "base/bounded_queue.h"
#include "model/watch_records.h"
#include "watch/held_files.h"
#include "watch/spare_threads.h"

namespace skep::watch {

struct FileCopy {
  skep_file_answer answer{};
  uint32_t service = 0;
  uint64_t judge = 0;  // which of its lives asked
  FileFacts facts;
  Fd content;
};

// What the kernel knows of the file that is asked for: whether it may be given away by its name alone.
struct Leave {
  bool own = false;      // the service's own program, or one of its groups'
  bool written = false;  // a session has written it
};

class Copier {
 public:
  static constexpr int64_t kLookWaitMs = 20;         // for which an exec is held up at most
  static constexpr int64_t kCopyNs = 2'000'000'000;  // for which a file may give its bytes
  static constexpr size_t kLookersMax = 8;
  static constexpr size_t kCopiersMax = 4;
  // Copies that wait for one of them. No call is held up meanwhile: the file is held instead.
  static constexpr size_t kCopiesWaitMax = 64;
  static constexpr int64_t kCopyWaitNs = 2'000'000'000;  // for which one waits at most; then it is too late for it

  Copier();

  // The notifier's, while the caller waits.
  void look(const ExecQuestion& question);
  // The notifier's, about once a second. False: nothing is held.
  bool expire();

  // Watch's thread: the answer comes by take_done(), once done_fd() is readable.
  void copy(const skep_file_order& order, Leave leave = {});
  int done_fd() const { return shared_->done.wake_fd(); }
  std::deque<FileCopy> take_done();
  // A judge that has come anew has no copies yet, and what its former self asked for is not for it.
  void begin_judge();

  // Programs that were not looked at in time, or at all.
  uint64_t missed() const { return missed_; }

 private:
  static constexpr size_t kCopiesKnown = 64;
  struct Asked {
    skep_file_order order{};
    Leave leave;
    uint64_t judge = 0;
    int64_t since_ns = 0;
    Fd held;  // PENDING: kept while it waits, however many others are held meanwhile
  };
  // What threads that may never come back still hold on to.
  struct Shared {
    HeldFiles held;
    BoundedQueue<FileCopy> done{256};
    std::mutex mutex;              // of what follows; held for a few instructions, once or twice an alert
    std::deque<FileFacts> copied;  // of which the judge has the copy, or it is in `done` already
    std::atomic<uint64_t> judge{0};
  };
  // As one that is not made: too many wait.
  static FileCopy begin_copy(const Asked& asked);
  static FileCopy make_copy(Shared& shared, Asked& asked);
  static Fd find_file(Asked& asked, skep_file_answer& answer);
  static void copy_content(Shared& shared, const Fd& file, FileCopy& copy);
  static bool copied_before(Shared& shared, const FileFacts& facts);
  static void hand_over(Shared& shared, FileCopy copy);

  std::shared_ptr<Shared> shared_;
  SpareThreads lookers_{kLookersMax, 0, true};
  SpareThreads copiers_{kCopiersMax, kCopiesWaitMax};
  std::atomic<uint64_t> missed_{0};
};

}  // namespace skep::watch
