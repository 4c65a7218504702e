// The index of one day: an SQLite database (WAL) with a row a session that began on that day, UTC. While the day is fed
// it has no index that grows at random places; what makes searching fast is added once it is over (`seal`). One thread
// an object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "archive/sqlite.h"
#include "archive/summary.h"

namespace skep::archive {

struct Filter {
  std::optional<SessionClass> session_class;
  int64_t since_ns = 0;  // a session's time is that of its id: when it began, by a clock that never goes back
  int64_t until_ns = 0;  // 0: no end
  std::string service;
  std::string source;  // address text
  std::string rule;    // of an alert: the signature's name; of a payload rule: "1002", "1:1002"
  std::string text;    // anywhere in what the client sent first, or in the alerts; any case; kTextLeast bytes at least
  SessionId parent;    // that they belong to; 0: any, and those that belong to none
  uint64_t after = 0;  // ids above this one
  bool newest_first = false;
  size_t limit = 100'000;
};
constexpr size_t kTextLeast = 3;

// Of a payload rule that fired: in how many sessions, what these had received from their clients, and when the first
// and the last of them began. Message and grade are those of the last. Sessions that retention has forgotten stay
// counted while their day is there.
struct RuleCount {
  uint32_t gid = 0;
  uint32_t sid = 0;
  std::string message;
  RuleGrade grade = RuleGrade::generic;
  uint64_t sessions = 0;
  uint64_t bytes = 0;
  int64_t first_ns = 0;
  int64_t last_ns = 0;
};

enum class Access { read, write };

class DayIndex {
 public:
  // Makes it where it is to be written and is not there. Error code ENOENT: it is only being made.
  static Result<DayIndex> open(const std::string& path, Access access);

  // All of them, or none. `indexed_segment` (0: as it was) goes with them.
  Status put(const std::vector<const SessionSummary*>& rows, uint32_t indexed_segment);
  Result<std::vector<SessionSummary>> select(const Filter& filter) const;
  Result<std::optional<SessionSummary>> find(SessionId id) const;
  Result<std::vector<SessionSummary>> open_sessions() const;
  Result<uint32_t> indexed_segment() const;
  Result<uint64_t> count() const;
  // By gid and sid. `since_ns`: of the sessions that began from then on; those are counted one by one.
  Result<std::vector<RuleCount>> rule_counts(int64_t since_ns = 0) const;

  struct Standing {
    SessionClass session_class = SessionClass::harmless;
    int64_t end_ns = 0;
  };
  Result<std::optional<Standing>> standing(SessionId id);
  // Forgets the sessions that ended before a time, are not tagged, and have no record behind that segment; a few
  // thousand at a time, so that whoever feeds the day gets in between. Returns how many.
  Result<uint64_t> forget(uint32_t last_segment, int64_t ended_before_ns);

  // Secondary indexes and the search for text. Takes seconds for a million sessions, and holds up whoever writes the
  // same day meanwhile.
  bool sealed() const { return sealed_; }
  Status seal();

  sqlite3* database() const { return db_.get(); }

 private:
  explicit DayIndex(Database db) : db_(std::move(db)) {}
  Status set_up();
  struct Puts;
  Status put_row(const Puts& puts, const SessionSummary& session);
  Status put_rule_hits(const Puts& puts, const SessionSummary& session);
  Status put_all(const std::vector<const SessionSummary*>& rows);
  Result<std::vector<SessionSummary>> query(const std::string& where, const std::vector<std::string>& texts,
                                            const std::string& order) const;
  Result<std::string> columns() const;
  Result<bool> has_rules() const;
  Database db_;
  mutable std::string columns_;     // all of them are there; "": that is not known
  mutable bool has_rules_ = false;  // as far as it is known
  Statement standing_;              // kept: it is asked for each session of a segment
  bool sealed_ = false;
};

}  // namespace skep::archive
