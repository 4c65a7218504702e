// A session's summary as a row of the index, and back.
#pragma once

#include <string>

#include "archive/sqlite.h"
#include "archive/summary.h"

namespace skep::archive {

// The table's columns, in the order in which both functions take them.
extern const char kRowColumns[];
// "INSERT ... ON CONFLICT": a row whose head is empty leaves the head that is there.
std::string upsert_sql();
void bind_row(sqlite3_stmt* s, const SessionSummary& row);
SessionSummary read_row(sqlite3_stmt* s);

}  // namespace skep::archive
