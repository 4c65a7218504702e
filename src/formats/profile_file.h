// The profile file: what one service does, learned from it or written by hand; docs/formats/profile.md is its page.
// Read whole or refused, with file and line. Pure; looks no path up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/session.h"

namespace skep::formats {

struct ServiceProfile {
  static constexpr size_t kEntriesMax = 8192;  // in all lists together
  static constexpr size_t kPathBytesMax = 255;

  std::string service;
  int64_t from_ns = 0;  // learned in this time, from so many sessions; 0: not said
  int64_t to_ns = 0;
  uint64_t sessions = 0;
  std::vector<std::string> programs;         // paths
  std::vector<uint16_t> ports;               // bound or listened on; 0 (`ephemeral`): any that the kernel chooses from
  std::vector<Endpoint> peers;               // addresses; port 0
  std::vector<std::string> folders_written;  // PATH: files right in it; PATH/**: however deep
  std::vector<std::string> files_read;
  std::vector<std::string> folders_read;  // all in them, however deep
  std::vector<std::string> calls;         // names, which only judge looks up
  std::vector<std::string> notes;         // said as comments at the file's head; not read back
};

Result<ServiceProfile> parse_profile_file(const std::string& path, const std::string& text);
std::string profile_yaml(const ServiceProfile& profile);
size_t entries_of(const ServiceProfile& profile);
// Whether a path can stand in a profile: absolute, without `.` and `..`, printable, not too long.
bool is_profile_path(const std::string& path);

}  // namespace skep::formats
