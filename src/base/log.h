// The log: one line an event on stderr, "2026-…Z info proxy: words session=ID", or as JSON an object a line with `time
// level area message`, and `session` where there is one. Any thread may call it; a line is written whole. Bytes from
// outside are escaped here, so that no attacker writes to a terminal.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace skep::log {

enum class Level { debug, info, warning, error };
enum class Format { text, json };
inline constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};
inline constexpr std::string_view kFormatNames[] = {"text", "json"};

struct Options {
  Format format = Format::text;
  Level level = Level::info;
};

void set_area(std::string_view name);      // "proxy", "judge" …; once, at start
void set_options(const Options& options);  // any time
void write(Level level, std::string_view words, std::string_view session = {});

// What a stranger can bring about as often as he likes: of one kind at most `lines_max` in kRepeatWindowNs are written,
// then how many more there were (base/log_limit.h).
struct Repeat {
  std::string_view kind;  // a literal, for a person: "sessions turned away"
  unsigned lines_max = 10;
};
void write_repeated(const Repeat& repeat, Level level, std::string_view words, std::string_view session = {});
// Says what was left out, where its time has come; call it now and then.
void say_left_out();

// The line of `format` as it is written, for tests.
std::string line_of(Format format, Level level, int64_t time_ns, std::string_view words, std::string_view session);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace skep::log
