// What was kept with a session's alerts: the files that they concern, and where crashed processes were. Read from the
// session's records; attackers' bytes come out escaped, and no file's content comes out here at all.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "archive/reader.h"
#include "base/text.h"
#include "formats/segment.h"

namespace skep::view {

struct SessionEvidence {
  std::vector<formats::FileEvent> files;            // each once, as it stands now
  std::map<uint64_t, formats::CrashEvent> crashes;  // by alert

  std::vector<std::string> losses;  // of the kernel's records, in words
  bool beginning_dropped = false;   // by retention: its first records are there no longer
  std::optional<formats::OpenedEvent> opened;
  std::optional<formats::ClosedEvent> closed;

  // The alert's program, or its interpreter; nullptr: none is known.
  const formats::FileEvent* file_of(const Alert& alert, formats::FileRole role = formats::FileRole::program) const;
  // What the session had written by the alert and no earlier one has told.
  std::vector<const formats::FileEvent*> written_by(const Alert& alert) const;
  uint64_t written_left_out() const;
};

Result<SessionEvidence> evidence_of(archive::Reader& reader, const archive::SessionSummary& session);

// `"files": [...]`, and the fields of an alert's program (`exe_*`) or interpreter (`interpreter_*`).
void files_json(JsonWriter& json, const SessionEvidence& evidence);
void crash_json(JsonWriter& json, const CrashState& state);
void programs_json(JsonWriter& json, const SessionEvidence& evidence, const Alert& alert);

std::string file_text(const formats::FileEvent& file);  // one line, without its end
std::string role_text(const formats::FileEvent& file);  // the same, and what it is: "written file …"
std::string crash_text(const CrashState& state);        // "SIGSEGV at 0x… rip 0x…"
std::string crash_details(const CrashState& state);     // registers, code and stack, a line or more

}  // namespace skep::view
