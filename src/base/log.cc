#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <string>

#include "base/clock.h"
#include "base/text.h"

namespace skep::log {
namespace {

std::string& area() {
  static std::string name = "skep";
  return name;
}

std::atomic<Level> least{Level::info};

}  // namespace

void set_area(std::string_view name) {
  area() = name;
}
void set_level(Level level) {
  least = level;
}

void write(Level level, std::string_view words) {
  if (level < least.load(std::memory_order_relaxed)) return;
  static constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};
  const std::string line = fmt::format("{} {} {}: {}\n", format_time(now_realtime_ns()),
                                       kNames[static_cast<size_t>(level)], area(), printable(words));
  // A log that cannot be written has nowhere to say so.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace skep::log
