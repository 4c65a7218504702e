// TaggedLogs: the log of every tagged session (suspect, attack) as a pcapng of its own, ARCHIVE/tagged/ID.pcapng.
// Written when the tag comes, and again when the session ends or something comes after its end; on a thread of its own,
// under another name first, so that there is never half of one. What it could not do at its time (too much at once, a
// full disk, a crash) is found and done later, and at the next start.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "archive/reader.h"
#include "base/bounded_queue.h"

namespace skep::view {

std::string tagged_log_path(const std::string& folder, SessionId id);

class TaggedLogs {
 public:
  static constexpr size_t kWaitingMax = 1024;
  static constexpr size_t kLiveMax = 65'536;  // tagged sessions that are open

  explicit TaggedLogs(std::string folder, size_t waiting_max = kWaitingMax)
      : folder_(std::move(folder)), waiting_(waiting_max) {}
  // What waits is written for at most two seconds more; the rest at the next start.
  ~TaggedLogs();
  // Makes the folder. The archive's index must be there; what is lacking of its sessions' logs is written first.
  Status start();

  // Any thread: this row is in the index, and the segments hold what it leads to.
  void indexed(const archive::SessionSummary& row);

  struct Counters {
    uint64_t written = 0;
    uint64_t failed = 0;
    uint64_t overflowed = 0;  // found later, by a look at all
  };
  Counters counters() const { return {written_.load(), failed_.load(), waiting_.refused()}; }

 private:
  bool is_due(const archive::SessionSummary& row);
  void run();
  void look_at_all();
  Status look_at(SessionClass session_class);
  Result<bool> is_current(archive::Reader& reader, const archive::SessionSummary& row) const;
  void write(SessionId id);
  Status write(archive::Reader& reader, const archive::SessionSummary& row);
  Status check_room(const archive::SessionSummary& row) const;
  void failed(SessionId id, const Error& why);
  bool out_of_time() const;

  const std::string folder_;
  std::mutex mutex_;  // of `live_`: index threads of several shards
  std::map<uint64_t, SessionClass> live_;
  BoundedQueue<SessionId> waiting_;
  std::atomic<bool> look_again_{true};
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> deadline_ns_{0};
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> failed_{0};
  bool failing_ = false;  // the thread's
  std::thread thread_;
};

}  // namespace skep::view
