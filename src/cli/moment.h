// A moment as an operator writes it: a time (2026-03-30T00:00:00Z), or a span back from now (2h).
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/text.h"

namespace skep::cli {

inline std::optional<int64_t> moment(const std::string& text) {
  if (const auto span = parse_span(text)) return now_realtime_ns() - *span;
  return parse_time(text);
}
inline std::string no_moment(const std::string& text) {
  return "'" + printable(text) + "' is no time (2026-03-30T00:00:00Z) and no span back from now (2h)";
}

}  // namespace skep::cli
