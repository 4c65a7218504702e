// The smallest attack of a session, as it is kept beside its log: ARCHIVE/replays/ID.minimal, a line a fact
// (docs/reference/replay.md). One thread a call.
#pragma once

#include <string>

#include "replay/minimise.h"

namespace skep::replay {

struct KeptMinimal {
  Minimal minimal;
  std::string rule;     // whose alert still comes
  size_t of_bytes = 0;  // client bytes up to the trigger, in the recording
};

std::string replays_folder(const std::string& archive);
std::string minimal_path(const std::string& archive, SessionId id);
Status write_minimal(const std::string& archive, SessionId id, const KeptMinimal& kept);
// Nullopt: there is none.
Result<std::optional<KeptMinimal>> read_minimal(const std::string& archive, SessionId id);

// "0:12+5 0:30+1", message, offset and bytes.
std::string to_string(const std::vector<Place>& places);
std::optional<std::vector<Place>> parse_places(std::string_view text);

}  // namespace skep::replay
