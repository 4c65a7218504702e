// Writer: the archive's one writer. What it is given lies in a segment before the call returns, so that the end of the
// proxy, however it comes, loses nothing that was recorded. The index is fed aside, by a thread of its own. One thread
// calls it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "archive/evidence_store.h"
#include "archive/index.h"
#include "archive/summary.h"
#include "base/bounded_queue.h"
#include "base/fd.h"

namespace skep::archive {

struct WriterOptions {
  uint64_t segment_bytes = 64 << 20;
};

struct Health {
  bool disk_full = false;
  uint64_t records_lost = 0;
  uint64_t bytes_lost = 0;
  uint64_t segments = 0;
  uint64_t bytes = 0;
};

class Writer {
 public:
  // Takes the folder's lock, recovers what a crash left (a torn tail is cut, sessions without an end get
  // crash-recovered) and begins a new segment. Errors: another writer is at it, the folder cannot be written.
  static Result<std::unique_ptr<Writer>> open(const std::string& folder, const WriterOptions& options);
  ~Writer();

  SessionId opened(int64_t time_ns, const formats::OpenedEvent& event);
  // Each: false where it could not be stored. That is counted, said in the log, and noted in the session once there is
  // room.
  bool connected(SessionId id, int64_t time_ns, const formats::ConnectedEvent& event);
  bool data(SessionId id, int64_t time_ns, Direction direction, ByteView bytes);
  bool half_closed(SessionId id, int64_t time_ns, Direction direction);
  bool served(SessionId id, int64_t time_ns, const formats::ServedEvent& event);
  bool process(SessionId id, int64_t time_ns, const formats::ProcessEvent& event);
  bool alert(SessionId id, int64_t time_ns, const Alert& alert);
  bool note(SessionId id, int64_t time_ns, const formats::NoteEvent& event);
  bool file(SessionId id, int64_t time_ns, const formats::FileEvent& event);
  bool crash(SessionId id, int64_t time_ns, const formats::CrashEvent& event);
  bool closed(SessionId id, int64_t time_ns, const formats::ClosedEvent& event);

  // Sessions that a crash had left open: over, but alerts on them may still be on their way.
  const std::vector<SessionSummary>& recovered() const { return recovered_; }
  // Feeds the index; call it about every 100 ms.
  void tick();
  const Health& health() const { return health_; }
  // Where the copies of files lie that alerts concern.
  EvidenceStore& evidence() { return evidence_; }
  // Class of a session that this writer still remembers.
  SessionClass class_of(SessionId id) const;

 private:
  struct Known {
    SessionSummary summary;
    uint64_t offsets[2] = {0, 0};
    uint64_t lost_bytes = 0;  // not yet said in its log
  };
  static constexpr size_t kClosedMax = 65536;  // remembered for alerts that come after the end

  Writer(std::string folder, const WriterOptions& options, Fd lock)
      : folder_(std::move(folder)), options_(options), lock_(std::move(lock)), evidence_(folder_) {}
  Status recover();
  Status begin_segment(int64_t time_ns);
  bool append(formats::Record record);
  bool write_record(const formats::Record& record, Known& known);
  void lost(Known& known, size_t bytes);
  void feed_index();
  Status store(std::optional<Index>& index, const std::map<uint64_t, SessionSummary>& waiting) const;

  const std::string folder_;
  const WriterOptions options_;
  Fd lock_;
  EvidenceStore evidence_;
  Fd segment_;
  uint32_t segment_number_ = 0;
  uint64_t segment_offset_ = 0;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, Known> known_;
  std::deque<uint64_t> closed_;
  std::vector<SessionSummary> recovered_;
  std::unordered_set<uint64_t> dirty_;
  Health health_;
  Bytes scratch_;

  BoundedQueue<std::vector<SessionSummary>> batches_{64};
  std::thread index_thread_;
  std::atomic<bool> stopping_{false};
};

}  // namespace skep::archive
