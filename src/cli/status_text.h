// `skep status` for people: a program's own JSON object as aligned lines.
#pragma once

#include <string>

#include "base/result.h"

namespace skep::cli {

// `json`: one object, as skep-proxy or skep-monitor gives it. An error where it is none.
Result<std::string> status_text(const std::string& json);

std::string bytes_text(uint64_t bytes);       // "17 B", "1.2 MiB"
std::string duration_text(uint64_t seconds);  // "00:01:09", "3 d 04:05:06"

}  // namespace skep::cli
