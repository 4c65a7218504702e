// What was kept with a session's alerts: the files that they concern, and where crashed processes were. Read from the
// session's records; attackers' bytes come out escaped, and no file's content comes out here at all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "archive/reader.h"
#include "base/text.h"
#include "formats/segment.h"

namespace skep::cli {

struct SessionEvidence {
  std::vector<formats::FileEvent> files;            // each once, as it stands now
  std::map<uint64_t, formats::CrashEvent> crashes;  // by alert

  std::vector<std::string> losses;  // of the kernel's records, in words

  const formats::FileEvent* file_of(const Alert& alert) const;
};

Result<SessionEvidence> evidence_of(archive::Reader& reader, const archive::SessionSummary& session);

// `"files": [...]`, and `exe_*` fields of an alert.
void files_json(JsonWriter& json, const SessionEvidence& evidence);
void crash_json(JsonWriter& json, const CrashState& state);
void exe_json(JsonWriter& json, const formats::FileEvent& file);

std::string file_text(const formats::FileEvent& file);  // one line, without its end
std::string crash_text(const CrashState& state);        // "SIGSEGV at 0x… rip 0x…"
std::string crash_details(const CrashState& state);     // registers, code and stack, a line or more

}  // namespace skep::cli
