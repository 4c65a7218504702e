// Writer: the archive's one writer. What it is given lies in the ring before the call returns, so that the end of the
// proxy, however it comes, loses nothing that was recorded; a thread brings the ring to the segments, another one feeds
// the index with what lies there. One thread calls it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "archive/evidence_store.h"
#include "archive/index.h"
#include "archive/keeper.h"
#include "archive/ring.h"
#include "archive/storer.h"
#include "archive/summary.h"
#include "base/bounded_queue.h"
#include "base/fd.h"

namespace skep::archive {

struct WriterOptions {
  uint64_t segment_bytes = 64 << 20;
  uint64_t ring_bytes = 16 << 20;  // at least kRingBytesMin
  bool tell_durable = false;       // durable_fd() is used
  // Called on the index thread with each row that is in the index now; the segments hold what it leads to.
  std::function<void(const SessionSummary&)> indexed = {};
  uint32_t compress_after_s = 60;  // that a finished segment has rested
  formats::RetentionOptions retention = {};
  std::function<DiskRoom()> room = {};  // for the tests; none: of the archive's file system
  uint32_t keeper_pass_ms = 2000;
};
constexpr uint64_t kRingBytesMin = 4 << 20;

struct Health {
  bool disk_full = false;    // or the segments cannot be written for another reason
  bool tagged_only = false;  // the stages of disk_stage.h
  bool metadata_only = false;
  bool ring_behind = false;  // the disk is slower than what comes in: it is held back
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

  // Where at most `wanted` bytes may be received before they are given to `data`: always the same memory, which the
  // CPU's cache keeps, and from which they can be sent on; they lie there until the next call. Empty: the disk is
  // behind, and nothing should be received for now.
  std::span<uint8_t> room(size_t wanted);

  SessionId opened(int64_t time_ns, const formats::OpenedEvent& event);
  // Each: false where it could not be stored. That is counted, said in the log, and noted in the session once there is
  // room.
  bool origin(SessionId id, int64_t time_ns, const formats::OriginEvent& event);
  bool connected(SessionId id, int64_t time_ns, const formats::ConnectedEvent& event);
  // No bytes: a record of none, as a datagram may be.
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
  // Feeds the index; call it a few times a second.
  void tick();
  const Health& health();
  uint64_t ring_bytes() const { return ring_->bytes(); }
  uint64_t ring_bytes_used() const { return ring_->bytes() - ring_->free_bytes(); }
  // Waits until all of it is in the segments' files, at most so long.
  bool flush(int64_t timeout_ms = 5000) { return storer_->await_stored(ring_->head(), timeout_ms); }
  // A place in the log: what was recorded so far, and up to where a loss of power takes nothing any more.
  uint64_t recorded() const { return ring_->head(); }
  uint64_t durable() const { return storer_->durable(); }
  int durable_fd() const { return storer_->durable_fd(); }
  void hurry() { storer_->hurry(); }
  // Where the copies of files lie that alerts concern.
  EvidenceStore& evidence() { return evidence_; }
  // Class of a session that this writer still remembers.
  SessionClass class_of(SessionId id) const;
  std::string service_of(SessionId id) const;  // "": not remembered

 private:
  struct Known {
    SessionSummary summary;
    uint64_t offsets[2] = {0, 0};
    uint64_t lost_bytes = 0;            // not yet said in its log
    bool dirty = false;                 // its summary is to go to the index
    DiskStage said = DiskStage::roomy;  // in its log
  };
  static constexpr size_t kClosedMax = 65536;  // remembered for alerts that come after the end

  Writer(std::string folder, const WriterOptions& options, Fd lock)
      : folder_(std::move(folder)), options_(options), lock_(std::move(lock)), evidence_(folder_) {}
  Status recover();
  Status renew_index() const;
  Status begin_log();
  Status begin_segment(int64_t time_ns);
  Result<Fd> make_segment_file(uint32_t number);
  bool append(const formats::Record& record);
  bool append(const formats::Record& record, Known& known);
  template <typename Event>
  bool append_event(SessionId id, formats::RecordType type, int64_t time_ns, const Event& event);
  bool write_record(formats::Record record, Known& known);
  void say_stage(const formats::Record& record, Known& known);
  bool wants_segment(uint64_t record_bytes) const;
  void rotate(int64_t time_ns);
  bool make_room(uint64_t bytes);
  void lost(Known& known, size_t bytes);
  void touch(Known& known);
  Known* find(SessionId id);
  DiskStage stage() const;
  void feed_index();
  Status store(std::optional<Index>& index, const std::map<uint64_t, SessionSummary>& waiting, uint32_t segment) const;

  const std::string folder_;
  const WriterOptions options_;
  Fd lock_;
  EvidenceStore evidence_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<Storer> storer_;
  uint32_t segment_number_ = 0;
  uint64_t segment_start_ = 0;     // position in the ring's count
  uint64_t segment_capacity_ = 0;  // bytes that the disk has set aside for it
  int64_t next_rotation_try_ns_ = 0;
  bool no_segment_ = false;  // none could begin
  bool refusing_ = false;    // the ring is full, and the disk takes nothing
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, Known> known_;
  Known* last_found_ = nullptr;  // the next record is often of the same session
  std::deque<uint64_t> closed_;
  std::vector<SessionSummary> recovered_;
  std::vector<Known*> dirty_;  // none of these is forgotten before it has gone to the index
  Health health_;
  Bytes room_;

  // Rows, and up to where the segments must have been written before a reader may be led there.
  struct Batch {
    uint64_t position = 0;
    uint32_t segment = 0;  // in which the position lies
    std::vector<SessionSummary> rows;
  };
  BoundedQueue<Batch> batches_{64};
  std::thread index_thread_;
  std::unique_ptr<Keeper> keeper_;
  std::atomic<bool> stopping_{false};
};

}  // namespace skep::archive
