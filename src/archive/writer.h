// Writer: one of an archive's writers, for one thread. What it is given lies in its ring before the call returns, so
// that the end of the proxy, however it comes, loses nothing that was recorded. It shares nothing with the others but
// what is asked for a few times a second, or once a segment.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "archive/index_feed.h"
#include "archive/keeper.h"
#include "archive/segment_writer.h"
#include "archive/summary.h"

namespace skep::archive {

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

// Of several writers together.
Health& operator+=(Health& sum, const Health& other);

class Writer {
 public:
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  unsigned number() const { return number_; }

  // Where at most `wanted` bytes may be received before they are given to `data`: always the same memory, which the
  // CPU's cache keeps, and from which they can be sent on; they lie there until the next call. Empty: the disk is
  // behind, and nothing should be received for now.
  std::span<uint8_t> room(size_t wanted);

  SessionId opened(int64_t time_ns, const formats::OpenedEvent& event);
  // Of a session that was recorded elsewhere, at a time that may lie before others': its id is that time's, or the next
  // that is not `taken` (asked about ids that this writer has not given).
  SessionId imported(int64_t time_ns, const formats::OpenedEvent& event, const std::function<bool(SessionId)>& taken);
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
  bool rule(SessionId id, int64_t time_ns, const RuleHit& hit);
  bool note(SessionId id, int64_t time_ns, const formats::NoteEvent& event);
  bool file(SessionId id, int64_t time_ns, const formats::FileEvent& event);
  bool crash(SessionId id, int64_t time_ns, const formats::CrashEvent& event);
  bool closed(SessionId id, int64_t time_ns, const formats::ClosedEvent& event);

  // Feeds the index, and leaves a segment that the other writers have left behind; to be called a few times a second,
  // also where nothing is recorded: compression, retention and the next start wait for the slowest writer.
  void tick();
  const Health& health();
  uint64_t ring_bytes() const { return log_->ring().bytes(); }
  uint64_t ring_bytes_used() const { return log_->ring().bytes() - log_->ring().free_bytes(); }
  // Waits until all of it is in the segments' files, at most so long.
  bool flush(int64_t timeout_ms = 5000) { return log_->storer().await_stored(recorded(), timeout_ms); }
  // A place in the log: what was recorded so far, and up to where a loss of power takes nothing any more.
  uint64_t recorded() const { return log_->ring().head(); }
  uint64_t durable() const { return log_->storer().durable(); }
  int durable_fd() const { return log_->storer().durable_fd(); }
  void hurry() { log_->storer().hurry(); }
  // Class of a session that this writer still remembers.
  SessionClass class_of(SessionId id) const;
  std::string service_of(SessionId id) const;  // "": not remembered

 private:
  friend class Archive;  // makes it, and ends it
  struct Known {
    SessionSummary summary;
    uint64_t offsets[2] = {0, 0};
    uint64_t lost_bytes = 0;            // not yet said in its log
    bool dirty = false;                 // its summary is to go to the index
    DiskStage said = DiskStage::roomy;  // in its log
  };

  // What it shares.
  struct Shared {
    IndexFeed& feed;
    const Keeper& keeper;
    size_t ended_max;  // that each remembers, for alerts that come after a session's end
  };
  // Its ids begin above `last_id`.
  Writer(unsigned number, uint64_t last_id, std::unique_ptr<SegmentWriter> log, const Shared& shared);
  // A session that a crash had left open: closed as crash-recovered, and remembered.
  const SessionSummary& recover(SessionSummary row, int64_t time_ns);
  // The index has all that was recorded.
  void all_indexed();

  SessionId open(SessionId id, int64_t time_ns, const formats::OpenedEvent& event);
  bool append(const formats::Record& record);
  bool append(const formats::Record& record, Known& known);
  template <typename Event>
  bool append_event(SessionId id, formats::RecordType type, int64_t time_ns, const Event& event,
                    uint64_t stream_offset = 0);
  bool write_record(formats::Record record, Known& known);
  void say_stage(const formats::Record& record, Known& known);
  void lost(Known& known, size_t bytes);
  void touch(Known& known);
  Known* find(SessionId id);
  Known*& recent(SessionId id) { return recent_[id.value * 0x9e3779b97f4a7c15 >> 56]; }  // Fibonacci hashing

  const unsigned number_;
  std::unique_ptr<SegmentWriter> log_;
  IndexFeed& feed_;
  const Keeper& keeper_;
  const size_t ended_max_;
  uint64_t last_id_;
  uint32_t told_segment_ = 0;  // to the feed
  bool refusing_ = false;      // records cannot be kept
  std::unordered_map<uint64_t, Known> known_;
  // The next record is mostly of a session that has had one lately: these are found without a look through the table,
  // which is large and cold.
  std::array<Known*, 256> recent_{};
  std::deque<uint64_t> closed_;
  std::vector<Known*> dirty_;  // none of these is forgotten before it has gone to the index
  Health health_;
  Bytes room_;
};

}  // namespace skep::archive
