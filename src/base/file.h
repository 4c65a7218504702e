// Whole small files: read with a bound, write so that a reader sees the old or the new file, never half of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace skep {

Result<std::string> read_file(const std::string& path, size_t bytes_max = 16 << 20);
Status write_file(const std::string& path, std::string_view content, unsigned mode = 0644);
// The files that a shell pattern names, sorted; a plain name stands for itself, there or not.
std::vector<std::string> expand_glob(const std::string& pattern);
Status make_directories(const std::string& path, unsigned mode = 0755);

}  // namespace skep
