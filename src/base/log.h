// The log: one line an event on stderr, "2026-…Z info proxy: words key=value". Any thread may call it; a line is
// written whole. Bytes from outside are escaped here, so that no attacker writes to a terminal.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace skep::log {

enum class Level { debug, info, warning, error };

void set_area(std::string_view area);  // "proxy", "judge" …; once, at start
void set_level(Level level);
void write(Level level, std::string_view words);

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
