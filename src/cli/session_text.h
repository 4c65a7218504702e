// Sessions in words: the JSON of one, the line of one, the story of one that was tagged. Attackers' bytes come out
// escaped.
#pragma once

#include <string>

#include "archive/reader.h"
#include "formats/pcapng.h"

namespace skep::cli {

std::string summary_json(const archive::SessionSummary& session);
// The whole session: the summary and all its events, one object, piece by piece.
Status session_json(archive::Reader& reader, const archive::SessionSummary& session, const formats::Sink& sink);

std::string table_head();
std::string table_line(const archive::SessionSummary& session);

// For a person: who, when, the violation, the processes, the call, and the bytes around the place where it happened.
Result<std::string> story(archive::Reader& reader, const archive::SessionSummary& session);

}  // namespace skep::cli
