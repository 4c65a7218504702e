// The index: a row a session in SQLite (WAL), so that reading goes on beside writing. It can be thrown away and made
// again from the segments. One thread an object.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "archive/summary.h"
#include "base/result.h"

namespace skep::archive {

struct Filter {
  std::optional<SessionClass> session_class;
  int64_t since_ns = 0;
  int64_t until_ns = 0;  // 0: no end
  std::string service;
  std::string source;  // address text
  uint64_t after = 0;  // ids above this one
  size_t limit = 100'000;
};

class Index {
 public:
  static Result<Index> open(const std::string& folder, bool writable);

  // All of them, or none.
  Status put(const std::vector<SessionSummary>& rows);
  // In the order of their ids.
  Result<std::vector<SessionSummary>> select(const Filter& filter) const;
  Result<std::optional<SessionSummary>> find(SessionId id) const;
  Result<std::vector<SessionSummary>> open_sessions() const;
  // The newest segment whose records are all in the index; 0: none.
  Result<uint32_t> indexed_segment() const;
  Status clear();

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  explicit Index(sqlite3* db) : db_(db) {}
  Status run(const char* sql);
  Result<std::vector<SessionSummary>> query(const std::string& where, const std::vector<std::string>& texts,
                                            size_t limit) const;
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace skep::archive
