// Sessions in words: the JSON of one, the line of one, the story of one that was tagged. Attackers' bytes come out
// escaped.
#pragma once

#include <string>

#include "archive/reader.h"

namespace skep::cli {

std::string summary_json(const archive::SessionSummary& session);
// The whole session: the summary and all its events, one object.
Result<std::string> session_json(archive::Reader& reader, const archive::SessionSummary& session);

std::string table_head();
std::string table_line(const archive::SessionSummary& session);

// For a person: who, when, the violation, the processes, the call, and the bytes around the place where it happened.
Result<std::string> story(archive::Reader& reader, const archive::SessionSummary& session);

// "+hh:mm… 16 bytes a line, offset, hex and printable text.
std::string hex_dump(ByteView bytes, uint64_t offset);

}  // namespace skep::cli
