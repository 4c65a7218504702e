// Retention: what is too old or too much goes, the oldest first and the
// harmless sessions alone; suspect sessions and attacks stay for ever. A
// segment keeps its number and its places (docs/formats/segment.md), so that
// nothing that leads into it changes. One thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "archive/index.h"
#include "archive/segments.h"
#include "formats/options.h"

namespace skep::archive {

struct Pass {
  int64_t now_ns = 0;          // realtime
  uint32_t finished = 0;       // segments up to this one grow no more
  bool all = false;            // every finished segment is due
  std::function<bool()> more;  // asked before each segment: must one more go, beyond the limits?
  const std::atomic<bool>* stop = nullptr;
};

struct PassOutcome {
  uint32_t segments_removed = 0;
  uint32_t segments_shortened = 0;
  uint64_t bytes_freed = 0;
  uint64_t sessions_forgotten = 0;  // rows of the index
  bool droppable = false;           // there are finished segments left from which
                                    // harmless sessions could go
};

class Retention {
 public:
  // A session that has ended less than this ago is not judged yet: an alert may
  // be on its way.
  static constexpr int64_t kUndecidedNs = int64_t{60} * 1'000'000'000;

  Retention(std::string folder, const formats::RetentionOptions& options)
      : folder_(std::move(folder)), options_(options) {}
  Result<PassOutcome> run(const Pass& pass);
  // Segments and index, as the last pass found them.
  uint64_t bytes() const { return bytes_; }

 private:
  struct Known {
    int64_t begun_ns = 0;
    int64_t written_ns = 0;
    int64_t looked_ns = 0;  // when a pass was last at it in vain
    uint64_t bytes = 0;
    formats::Kept kept = formats::Kept::all;
  };
  Status look_around();
  bool due(uint32_t number, const Pass& pass) const;
  bool settled(const Known& known, const Pass& pass) const;
  static int64_t end_of(const Known& known);
  Status shorten(uint32_t number, Index& index, const Pass& pass, PassOutcome& outcome);
  Status forget_rows(Index& index, const Pass& pass, uint32_t up_to, PassOutcome& outcome);

  const std::string folder_;
  const formats::RetentionOptions options_;
  std::map<uint32_t, Known> known_;
  uint64_t bytes_ = 0;
};

}  // namespace skep::archive
