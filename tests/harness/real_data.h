// Real inputs for tests, which are no part of the project: in the folder that SKEP_DATA names, else beside the
// checkout. A test that does not find its own says so in a word, and passes.
#pragma once

#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace skep::harness {

// "filter/x.rules.gz"
inline std::filesystem::path real_data(const std::string& name) {
  const char* const named = std::getenv("SKEP_DATA");
  return (named != nullptr ? std::filesystem::path(named) : std::filesystem::path(SKEP_SOURCE) / "../shared/data") /
         name;
}

// Of a file that gzip has packed; "" where there is none.
inline std::string unpacked(const std::filesystem::path& path) {
  std::string out;
  const gzFile file = ::gzopen(path.c_str(), "rb");
  if (file == nullptr) return out;
  char room[65536];
  for (int got = 0; (got = ::gzread(file, room, sizeof room)) > 0;) out.append(room, static_cast<size_t>(got));
  ::gzclose(file);
  return out;
}

}  // namespace skep::harness
