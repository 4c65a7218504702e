// Time. Records carry nanoseconds since 1970 (UTC); waiting uses the monotonic clock. What decides by time takes the
// time as an argument, so that its tests need no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skep {

int64_t now_realtime_ns();
int64_t now_monotonic_ns();
int64_t now_boottime_ns();  // the clock of bpf_ktime_get_boot_ns()

// "2026-03-30T00:00:07.784231Z": ISO 8601 in UTC with microseconds.
std::string format_time(int64_t realtime_ns);
// The same back (also without fraction, or a date alone); nullopt where it is not a time.
std::optional<int64_t> parse_time(std::string_view text);
// "2h", "30m", "10s", "250ms", "3d" in nanoseconds; nullopt where it is not a span.
std::optional<int64_t> parse_span(std::string_view text);

}  // namespace skep
