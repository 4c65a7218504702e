// Archive: a folder in which sessions are recorded by several writers at once, each for one thread; what they share:
// the folder's lock, what a former life left, the numbers of segments, the index and the thread that feeds it,
// compression and retention beside the writing, the copies of files.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "archive/evidence_store.h"
#include "archive/growing_segments.h"
#include "archive/index_feed.h"
#include "archive/keeper.h"
#include "archive/writer.h"
#include "base/fd.h"

namespace skep::archive {

struct ArchiveOptions {
  uint64_t segment_bytes = 64 << 20;
  uint64_t ring_bytes = 16 << 20;  // of each writer; at least kRingBytesMin
  bool tell_durable = false;       // durable_fd() is used
  // Called on the index thread with each row that is in the index now; the segments hold what it leads to.
  std::function<void(const SessionSummary&)> indexed = {};
  uint32_t compress_after_s = 60;  // that a finished segment has rested
  formats::RetentionOptions retention = {};
  std::function<DiskRoom()> room = {};  // for the tests; none: of the archive's file system
  uint32_t keeper_pass_ms = 2000;
  unsigned writers = 1;  // at most kWritersMax
};
constexpr unsigned kWritersMax = kWriterNumbers;

class Archive {
 public:
  // Takes the folder's lock, recovers what a crash left, however many writers that was (torn tails are cut, sessions
  // without an end get crash-recovered). Errors: somebody else writes there, the folder cannot be written.
  static Result<std::unique_ptr<Archive>> open(const std::string& folder, const ArchiveOptions& options);
  // When the writers' threads are gone: what they recorded is stored and put into the index.
  ~Archive();
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  unsigned writers() const { return static_cast<unsigned>(writers_.size()); }
  // Each is one thread's.
  Writer& writer(unsigned number) { return *writers_[number]; }
  // Which writer knows the session: the one that opened it; of a former life's sessions, that took its place.
  unsigned writer_of(SessionId id) const { return skep::writer_of(id, writers()); }
  // Sessions that a crash had left open: over, but alerts on them may still be on their way, to their writer_of.
  const std::vector<SessionSummary>& recovered() const { return recovered_; }
  // Where the copies of files lie that alerts concern. Any thread.
  EvidenceStore& evidence() { return evidence_; }

 private:
  Archive(std::string folder, const ArchiveOptions& options, Fd lock);
  Status begin();
  Status renew_index() const;
  Status make_writers(uint64_t last_id);
  Status recover_sessions(std::map<uint64_t, SessionSummary> rows, Index& index);

  const std::string folder_;
  const ArchiveOptions options_;
  Fd lock_;
  EvidenceStore evidence_;
  GrowingSegments growing_;
  std::vector<SessionSummary> recovered_;
  std::unique_ptr<Keeper> keeper_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::unique_ptr<IndexFeed> feed_;  // reads the writers' rings
};

}  // namespace skep::archive
