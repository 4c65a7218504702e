// The index: a row a session, in one SQLite database a day (ARCHIVE/index/2026-11-26.sqlite, the UTC day of the
// session's id), so that reading goes on beside writing, and what is old is taken away whole. It can be thrown away and
// made again from the segments. One thread an object.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "archive/day_index.h"
#include "base/result.h"

namespace skep::archive {

// Days since 1970.
int64_t day_of(SessionId id);
int64_t day_of_time(int64_t realtime_ns);
std::string day_path(const std::string& folder, int64_t day);
// Ascending; none where there is no index. What is no day's database is left alone; its name in `foreign`, if wanted.
std::vector<int64_t> list_days(const std::string& folder, std::vector<std::string>* foreign = nullptr);
// The one file in which the index lay before there was one a day; the writer makes the days from the segments.
std::string single_index_path(const std::string& folder);

class Index {
 public:
  static Result<Index> open(const std::string& folder, bool writable);

  // Each day's all, or none; after an error all may be put again. `indexed_segment`: all that lies before this segment
  // is in the index now; 0: as it was.
  Status put(const std::vector<const SessionSummary*>& rows, uint32_t indexed_segment = 0);
  Status put(const std::vector<SessionSummary>& rows, uint32_t indexed_segment = 0);
  // In the order of their ids; the days that can match, until the limit is reached.
  Result<std::vector<SessionSummary>> select(const Filter& filter);
  Result<std::optional<SessionSummary>> find(SessionId id);
  Result<std::vector<SessionSummary>> open_sessions();
  // Of the days since then, together, by gid and sid.
  Result<std::vector<RuleCount>> rule_counts(int64_t since_ns = 0);
  // How a session stands, cheaper than all of it; nullopt: it is not known.
  Result<std::optional<DayIndex::Standing>> standing(SessionId id);
  // The newest segment that may hold what the index lacks; 0: any may.
  Result<uint32_t> indexed_segment();
  // One day's; nullptr: there is none (and it is not to be made).
  Result<DayIndex*> day(int64_t day, bool make = false);
  std::vector<int64_t> days() const { return list_days(folder_); }
  // Takes the day's database away.
  Status remove_day(int64_t day);
  Status clear();

 private:
  Index(std::string folder, bool writable) : folder_(std::move(folder)), writable_(writable) {}
  std::string folder_;
  bool writable_;
  std::map<int64_t, DayIndex> open_;  // at most kOpenMax
};

}  // namespace skep::archive
