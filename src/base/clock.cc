#include "base/clock.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <ctime>

namespace skep {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// Digits after the point, as nanoseconds; -1 where there is something else.
int64_t parse_fraction(std::string_view digits) {
  int64_t value = 0;
  int64_t scale = kSecond / 10;
  for (const char c : digits) {
    if (c < '0' || c > '9') return -1;
    value += (c - '0') * scale;
    scale /= 10;
  }
  return value;
}

}  // namespace

int64_t now_realtime_ns() {
  return read_clock(CLOCK_REALTIME);
}
int64_t now_monotonic_ns() {
  return read_clock(CLOCK_MONOTONIC);
}
int64_t now_boottime_ns() {
  return read_clock(CLOCK_BOOTTIME);
}

std::string format_time(int64_t realtime_ns) {
  const time_t seconds = realtime_ns / kSecond;
  tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, realtime_ns % kSecond / 1000);
}

std::optional<int64_t> parse_time(std::string_view text) {
  const std::string copy(text);
  tm utc{};
  const char* rest = ::strptime(copy.c_str(), "%Y-%m-%d", &utc);
  if (rest == nullptr) return std::nullopt;
  int64_t fraction = 0;
  if (*rest == 'T' || *rest == ' ') {
    rest = ::strptime(rest + 1, "%H:%M:%S", &utc);
    if (rest == nullptr) return std::nullopt;
    if (*rest == '.') {
      const std::string_view tail(rest + 1);
      const std::string_view digits = tail.substr(0, tail.find('Z'));
      fraction = parse_fraction(digits);
      if (fraction < 0 || digits.empty()) return std::nullopt;
      rest += 1 + digits.size();
    }
  }
  if (*rest == 'Z') ++rest;
  if (*rest != '\0') return std::nullopt;
  return static_cast<int64_t>(::timegm(&utc)) * kSecond + fraction;
}

std::optional<int64_t> parse_span(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value < 0) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size() - end);
  struct Unit {
    std::string_view name;
    int64_t ns;
  };
  static constexpr Unit kUnits[] = {{"ns", 1},           {"us", 1'000},         {"ms", 1'000'000},     {"s", kSecond},
                                    {"m", 60 * kSecond}, {"h", 3600 * kSecond}, {"d", 86400 * kSecond}};
  for (const Unit& row : kUnits) {
    if (row.name == unit && value <= INT64_MAX / row.ns) return value * row.ns;
  }
  return std::nullopt;
}

}  // namespace skep
