#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <mutex>

#include "base/clock.h"
#include "base/log_limit.h"
#include "base/text.h"

namespace skep::log {
namespace {

std::string& area() {
  static std::string name = "skep";
  return name;
}

std::atomic<Level> least{Level::info};
std::atomic<Format> form{Format::text};

// Lines of strangers' making come from any thread; whoever is beyond the limit pays for a lock and no line.
std::mutex limit_lock;
LogLimit& limit() {
  static LogLimit of_all;
  return of_all;
}

std::string json_line(Level level, int64_t time_ns, std::string_view words, std::string_view session) {
  JsonWriter json;
  json.begin_object()
      .field("time", format_time(time_ns))
      .field("level", kLevelNames[static_cast<size_t>(level)])
      .field("area", area())
      .field("message", printable(words));
  if (!session.empty()) json.field("session", printable(session));
  return json.end_object().take() + "\n";
}

}  // namespace

void set_area(std::string_view name) {
  area() = name;
}

void set_options(const Options& options) {
  least = options.level;
  form = options.format;
}

std::string line_of(Format format, Level level, int64_t time_ns, std::string_view words, std::string_view session) {
  if (format == Format::json) return json_line(level, time_ns, words, session);
  return fmt::format("{} {} {}: {}{}{}\n", format_time(time_ns), kLevelNames[static_cast<size_t>(level)], area(),
                     printable(words), session.empty() ? "" : " session=", printable(session));
}

void write(Level level, std::string_view words, std::string_view session) {
  if (level < least.load(std::memory_order_relaxed)) return;
  const std::string line = line_of(form.load(std::memory_order_relaxed), level, now_realtime_ns(), words, session);
  // A log that cannot be written has nowhere to say so.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void write_repeated(const Repeat& repeat, Level level, std::string_view words, std::string_view session) {
  say_left_out();
  {
    const std::lock_guard<std::mutex> held(limit_lock);
    if (!limit().admit(repeat.kind, repeat.lines_max, now_monotonic_ns())) return;
  }
  write(level, words, session);
}

void say_left_out() {
  std::vector<LogLimit::LeftOut> due;
  {
    const std::lock_guard<std::mutex> held(limit_lock);
    due = limit().take_due(now_monotonic_ns());
  }
  for (const LogLimit::LeftOut& each : due)
    warning("{}: {} more like this in {} s", each.kind, each.lines, LogLimit::kWindowNs / 1'000'000'000);
}

}  // namespace skep::log
