// Sessions as they happen: one to its end, or the list of all. Read from the archive alone, a few times a second; the
// proxy knows nothing of it. Each ends in order on SIGINT and SIGTERM, and when nobody reads its output any more.
#pragma once

#include "archive/reader.h"

namespace skep::cli {

// How a session's records are told: in words, one object a line, or as the bytes of one direction.
enum class FollowForm { text, json, raw_in, raw_out };

Status follow_session(archive::Reader& reader, const archive::SessionSummary& session, FollowForm form);

// What matches the filter by now; from then on each new session that does, and each whose class has changed. Of
// sessions that began more than a day ago it sees no change.
Status follow_list(archive::Reader& reader, const archive::Filter& filter, bool json);

}  // namespace skep::cli
