#include "cli/status_text.h"

#include <fmt/format.h>

#include "base/text.h"
#include "formats/yaml.h"

namespace skep::cli {
namespace {

// A member, or what an older program that lacks it leaves us with.
template <typename T>
T get(const YAML::Node& object, const char* key, T otherwise = {}) {
  const YAML::Node node = object[key];
  return node.IsDefined() && !node.IsNull() ? node.as<T>(otherwise) : otherwise;
}

std::string text(const YAML::Node& object, const char* key) {
  return printable(get<std::string>(object, key));
}

void line(std::string& out, std::string_view head, std::string_view words) {
  out += fmt::format("{:<16}{}\n", head, words);
}

// "shell 2, crash 1"; "none" where there are none.
std::string counts(const YAML::Node& numbers) {
  std::string out;
  for (const auto& item : numbers)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", printable(item.first.as<std::string>("")),
                       item.second.as<uint64_t>(0));
  return out.empty() ? "none" : out;
}

std::string list(const YAML::Node& texts, const char* none) {
  std::string out;
  for (const YAML::Node& each : texts) out += (out.empty() ? "" : ", ") + printable(each.as<std::string>(""));
  return out.empty() ? none : out;
}

void service(std::string& out, const YAML::Node& of) {
  line(out, "  " + text(of, "name"),
       fmt::format("{} live, {} in all: {}; {} in, {} out", get<uint64_t>(of, "live"), get<uint64_t>(of, "sessions"),
                   counts(of["classes"]), bytes_text(get<uint64_t>(of, "bytes_in")),
                   bytes_text(get<uint64_t>(of, "bytes_out"))));
  line(out, "", "ended: " + counts(of["ended"]));
}

void bait(std::string& out, const YAML::Node& of) {
  const bool connected = get<bool>(of, "connected");
  const std::string heard = text(of, "last_heard");
  line(out, "bait " + text(of, "name"),
       fmt::format("monitor {} {}, {} live sessions, last heard {}", text(of, "monitor"),
                   connected ? "connected" : "AWAY", get<uint64_t>(of, "live_sessions"),
                   heard.empty() ? "never" : heard));
}

void upstream(std::string& out, const YAML::Node& of) {
  const std::string bait = text(of, "bait");
  line(out, "  " + text(of, "service"),
       fmt::format("{}{} {}, failed {} times", text(of, "address"), bait.empty() ? "" : " (" + bait + ")",
                   get<bool>(of, "left_out") ? "LEFT OUT" : "is asked", get<uint64_t>(of, "failures")));
}

void filter(std::string& out, const YAML::Node& of) {
  if (!of.IsDefined()) return;
  line(out, "filter",
       fmt::format("{} rules ({} suppress) by {}, {} refused", get<uint64_t>(of, "rules"),
                   get<uint64_t>(of, "specific"), text(of, "engine"), get<uint64_t>(of, "refused")));
  line(out, "", "hits: " + counts(of["hits"]));
  line(out, "",
       fmt::format("suppressed: {} kept whole, {} by their header; {} in the tarpit", get<uint64_t>(of, "samples"),
                   get<uint64_t>(of, "headers"), get<uint64_t>(of, "tarpitted")));
  if (const auto switched = get<uint64_t>(of, "switched"); switched > 0)
    line(out, "", fmt::format("switched: {} sources go to the bait (`skep filter switched`)", switched));
  if (of["stopped"].size() > 0) line(out, "", "not looked at to the end: " + counts(of["stopped"]));
}

void archive(std::string& out, const YAML::Node& of) {
  const uint64_t lost = get<uint64_t>(of, "records_lost");
  line(out, "archive",
       fmt::format("{}: {} recorded, {}", text(of, "archive"), bytes_text(get<uint64_t>(of, "bytes_recorded")),
                   lost == 0 ? "nothing lost"
                             : fmt::format("LOST {} records, {}", lost, bytes_text(get<uint64_t>(of, "bytes_lost")))));
  line(out, "ring",
       fmt::format("{} of {} used", bytes_text(get<uint64_t>(of, "ring_bytes_used")),
                   bytes_text(get<uint64_t>(of, "ring_bytes"))));
  line(out, "descriptors",
       fmt::format("{} held by sessions, at most {}", get<uint64_t>(of, "descriptors_of_sessions"),
                   get<uint64_t>(of, "descriptors_max")));
}

void proxy(std::string& out, const YAML::Node& of) {
  line(out, "skep-proxy",
       fmt::format("up {} since {}", duration_text(get<uint64_t>(of, "uptime_s")), text(of, "started")));
  line(out, "sessions",
       fmt::format("{} live, {} in all, {} refused", get<uint64_t>(of, "sessions_live"),
                   get<uint64_t>(of, "sessions_total"), get<uint64_t>(of, "sessions_refused")));
  for (const YAML::Node& each : of["services"]) service(out, each);
  line(out, "limits hit", counts(of["limits"]));
  line(out, "alerts", counts(of["alerts"]));
  filter(out, of["filter"]);
  archive(out, of);
  for (const YAML::Node& each : of["baits"]) bait(out, each);
  for (const YAML::Node& each : of["upstreams"]) upstream(out, each);
}

// The monitor's own numbers, which are many: as they are named.
void monitor(std::string& out, const YAML::Node& of) {
  line(out, "skep-monitor", get<bool>(of, "proxy_connected") ? "its proxy is connected" : "its proxy is AWAY");
  for (const auto& item : of) {
    const std::string key = printable(item.first.as<std::string>(""));
    if (key == "program" || key == "proxy_connected" || !item.second.IsScalar()) continue;
    out += fmt::format("  {:<24}{:>12}\n", key, printable(item.second.as<std::string>("")));
  }
}

}  // namespace

std::string bytes_text(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double number = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; number >= 1023.95 && unit + 1 < std::size(kUnits); ++unit) number /= 1024;
  return fmt::format("{:.1f} {}", number, kUnits[unit]);
}

std::string duration_text(uint64_t seconds) {
  const uint64_t days = seconds / 86'400;
  const std::string time = fmt::format("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
  return days == 0 ? time : fmt::format("{} d {}", days, time);
}

Result<std::string> status_text(const std::string& json) {
  // JSON is YAML, too.
  const auto object = formats::parse_yaml("the answer", json);
  if (!object) return tl::unexpected<Error>(object.error());
  if (!object->IsMap()) return fail("an answer that is no object");
  std::string out;
  const std::string program = text(*object, "program");
  if (program == "skep-monitor") {
    monitor(out, *object);
  } else {
    proxy(out, *object);
  }
  line(out, "degraded", list((*object)["degraded"], "no"));
  return out;
}

}  // namespace skep::cli
