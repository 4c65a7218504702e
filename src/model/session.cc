#include "model/session.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>

namespace skep {
namespace {

constexpr unsigned kRunningBits = 12;
constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

template <typename T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool parse_address(std::string_view text, Endpoint& endpoint) {
  const std::string copy(text);
  if (::inet_pton(AF_INET6, copy.c_str(), endpoint.address.data()) == 1) return true;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), endpoint.address.begin());
  return ::inet_pton(AF_INET, copy.c_str(), endpoint.address.data() + kMappedPrefix.size()) == 1;
}

}  // namespace

SessionId make_session_id(int64_t realtime_ns, unsigned running_number) {
  const uint64_t microseconds = static_cast<uint64_t>(realtime_ns / 1000);
  return {microseconds << kRunningBits | (running_number & ((1u << kRunningBits) - 1))};
}

int64_t start_ns(SessionId id) {
  return static_cast<int64_t>(id.value >> kRunningBits) * 1000;
}

std::string to_string(SessionId id) {
  const uint64_t microseconds = id.value >> kRunningBits;
  const time_t seconds = static_cast<time_t>(microseconds / 1'000'000);
  tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}{:06}-{:03x}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, microseconds % 1'000'000,
                     id.value & ((1u << kRunningBits) - 1));
}

std::optional<SessionId> parse_session_id(std::string_view text) {
  // YYYYMMDDTHHMMSSuuuuuu-xxx
  if (text.size() != 25 || text[8] != 'T' || text[21] != '-') return std::nullopt;
  const auto year = parse_number<int>(text.substr(0, 4));
  const auto month = parse_number<int>(text.substr(4, 2));
  const auto day = parse_number<int>(text.substr(6, 2));
  const auto hour = parse_number<int>(text.substr(9, 2));
  const auto minute = parse_number<int>(text.substr(11, 2));
  const auto second = parse_number<int>(text.substr(13, 2));
  const auto micro = parse_number<uint64_t>(text.substr(15, 6));
  const auto running = parse_number<unsigned>(text.substr(22, 3), 16);
  if (!year || !month || !day || !hour || !minute || !second || !micro || !running) return std::nullopt;
  tm utc{};
  utc.tm_year = *year - 1900;
  utc.tm_mon = *month - 1;
  utc.tm_mday = *day;
  utc.tm_hour = *hour;
  utc.tm_min = *minute;
  utc.tm_sec = *second;
  const SessionId id{(static_cast<uint64_t>(::timegm(&utc)) * 1'000'000 + *micro) << kRunningBits | *running};
  if (to_string(id) != text) return std::nullopt;
  return id;
}

bool Endpoint::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin());
}

std::string address_text(const Endpoint& endpoint) {
  char text[INET6_ADDRSTRLEN] = "";
  if (!endpoint.is_v4()) return ::inet_ntop(AF_INET6, endpoint.address.data(), text, sizeof text);
  char* at = text;  // a row of the index has four of them, and inet_ntop goes through printf
  for (size_t i = kMappedPrefix.size(); i < endpoint.address.size(); ++i) {
    at = std::to_chars(at, std::end(text), endpoint.address[i]).ptr;
    *at++ = '.';
  }
  return {text, at - 1};
}

std::string to_string(const Endpoint& endpoint) {
  std::string text = address_text(endpoint);
  if (!endpoint.is_v4()) text.insert(0, 1, '[').push_back(']');
  char port[8] = ":";
  text.append(port, std::to_chars(port + 1, std::end(port), endpoint.port).ptr);
  return text;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  Endpoint endpoint;
  std::string_view address = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    address = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return std::nullopt;
  } else if (const size_t colon = text.find(':'); colon != std::string_view::npos && colon == text.rfind(':')) {
    address = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (!parse_address(address, endpoint)) return std::nullopt;
  if (!port.empty()) {
    const auto number = parse_number<uint16_t>(port.substr(1));
    if (!number) return std::nullopt;
    endpoint.port = *number;
  }
  return endpoint;
}

namespace {
constexpr std::string_view kClasses[] = {"known", "harmless", "suspect", "attack"};
constexpr std::string_view kEnds[] = {
    "open",         "client-closed",    "server-closed", "reset-by-client", "reset-by-server",
    "bait-refused", "bait-unreachable", "timeout",       "limit",           "cut",
    "shutdown",     "crash-recovered",  "filtered",      "not-recorded"};
constexpr std::string_view kActions[] = {"observed", "denied", "killed", "cut"};
constexpr std::string_view kGrades[] = {"specific", "generic"};
constexpr std::string_view kHitActions[] = {"tagged",    "late",     "dropped", "reset",
                                            "tarpitted", "diverted", "trapped", "switched"};
constexpr std::string_view kRoles[] = {"doer", "starter", "writer"};
constexpr std::string_view kConfidences[] = {"none", "inherited", "handoff", "confirmed", "exact"};

template <size_t N, typename E>
std::string_view name_of(const std::string_view (&names)[N], E value) {
  const auto index = static_cast<size_t>(value);
  return index < N ? names[index] : "unknown";
}
}  // namespace

std::string_view signal_name(uint32_t signal) {
  switch (signal) {
    case 4:
      return "SIGILL";
    case 5:
      return "SIGTRAP";
    case 6:
      return "SIGABRT";
    case 7:
      return "SIGBUS";
    case 8:
      return "SIGFPE";
    case 11:
      return "SIGSEGV";
    case 31:
      return "SIGSYS";
    default:
      return "a signal";
  }
}

std::string_view to_string(Protocol value) {
  return value == Protocol::udp ? "udp" : "tcp";
}
std::string_view to_string(SessionClass value) {
  return name_of(kClasses, value);
}
std::string_view to_string(EndReason value) {
  return name_of(kEnds, value);
}
std::string_view to_string(AlertAction value) {
  return name_of(kActions, value);
}
std::string_view to_string(RuleGrade value) {
  return name_of(kGrades, value);
}
std::string_view to_string(HitAction value) {
  return name_of(kHitActions, value);
}
std::string_view to_string(AlertRole value) {
  return name_of(kRoles, value);
}
std::string_view to_string(Confidence value) {
  return name_of(kConfidences, value);
}

std::string rule_name(const RuleHit& hit) {
  return fmt::format("{}:{}", hit.gid, hit.sid);
}

std::optional<SessionClass> parse_session_class(std::string_view text) {
  for (size_t i = 0; i < std::size(kClasses); ++i) {
    if (kClasses[i] == text) return static_cast<SessionClass>(i);
  }
  return std::nullopt;
}

}  // namespace skep
