// The smallest attack of a session, for `skep session show` and `skep replay --minimise`. Attackers' bytes come out
// escaped.
#pragma once

#include <string>

#include "archive/reader.h"
#include "base/text.h"
#include "replay/minimal_file.h"

namespace skep::cli {

// An object.
void minimal_json(JsonWriter& json, const replay::KeptMinimal& kept);
// One line, without its end.
std::string minimal_words(const replay::KeptMinimal& kept);
// The bytes, run by run: which must have their value, and which need only be there.
std::string minimal_runs(const replay::Recording& recording, const replay::KeptMinimal& kept);
// Of a session of the archive: words and runs, or nothing where there is none.
Result<std::string> minimal_story(archive::Reader& reader, const archive::SessionSummary& session);

}  // namespace skep::cli
