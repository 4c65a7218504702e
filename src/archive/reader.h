// Reader: an archive read while it is written, or after. Any number of readers; one thread an object.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "archive/index.h"
#include "archive/segments.h"

namespace skep::archive {

class Reader {
 public:
  static Result<Reader> open(const std::string& folder);
  const std::string& folder() const { return folder_; }

  Result<std::vector<SessionSummary>> list(const Filter& filter) { return index_.select(filter); }
  // Of each payload rule that fired since then.
  Result<std::vector<RuleCount>> rule_counts(int64_t since_ns) { return index_.rule_counts(since_ns); }
  // Errors: the archive cannot be read; nullopt: there is no such session.
  Result<std::optional<SessionSummary>> find(SessionId id) { return index_.find(id); }

  // After for_each: earlier records of the session have been dropped by retention.
  bool beginning_dropped() const { return beginning_dropped_; }
  // The session's records in order, those after `after` alone (nowhere: all). The record's payload is borrowed for the
  // call. Memory is one record's and some 100 KiB, however many there are.
  Status for_each(const SessionSummary& session, const formats::RecordPlace& after,
                  const std::function<void(const formats::Record&)>& take);
  // Until `take` says false: then it is done.
  Status for_each_while(const SessionSummary& session, const formats::RecordPlace& after,
                        const std::function<bool(const formats::Record&)>& take);
  // When the session's newest record was made.
  Result<int64_t> last_time(const SessionSummary& session);

 private:
  Reader(const std::string& folder, Index index) : folder_(folder), index_(std::move(index)), segments_(folder) {}
  Status walk_back(const SessionSummary& session, const formats::RecordPlace& from, const formats::RecordPlace& until,
                   const std::function<void(const formats::RecordPlace&)>& take);
  Result<bool> hand_out(const std::vector<formats::RecordPlace>& newest_first,
                        const std::function<bool(const formats::Record&)>& take);
  std::string folder_;
  Index index_;
  SegmentReader segments_;
  bool beginning_dropped_ = false;
};

// Makes the index anew from the segments. Nobody may be writing. A crash meanwhile leaves an index that says of itself
// that it may lack anything.
Status rebuild_index(const std::string& folder);

}  // namespace skep::archive
