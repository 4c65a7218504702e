// SQLite under our rules: handles that close themselves, and its errors as Results. One thread a database.
#pragma once

#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace skep::archive {

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

inline tl::unexpected<Error> sqlite_failure(sqlite3* db, const char* what) {
  return tl::unexpected<Error>(Error{fmt::format("index: {}: {}", what, sqlite3_errmsg(db)), sqlite3_errcode(db)});
}

inline Result<Statement> prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) return sqlite_failure(db, "prepare");
  return Statement(statement);
}

inline Status run_sql(sqlite3* db, const std::string& sql) {
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return sqlite_failure(db, "write");
  return {};
}

inline void bind_text(sqlite3_stmt* s, int at, const std::string& text) {
  sqlite3_bind_text(s, at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

// The first column of the first row; `none` where there is no row.
inline Result<int64_t> number_of(sqlite3* db, const std::string& sql, int64_t none = 0) {
  auto statement = prepare(db, sql);
  if (!statement) return tl::unexpected<Error>(statement.error());
  const int step = sqlite3_step(statement->get());
  if (step == SQLITE_DONE) return none;
  if (step != SQLITE_ROW) return sqlite_failure(db, "read");
  return static_cast<int64_t>(sqlite3_column_int64(statement->get(), 0));
}

}  // namespace skep::archive
