#include "formats/profile_file.h"

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/text.h"
#include "formats/yaml.h"

namespace skep::formats {
namespace {

constexpr std::string_view kBelow = "/**";
constexpr std::string_view kEphemeral = "ephemeral";

struct PathRow {
  const char* key;
  std::vector<std::string> ServiceProfile::*list;
};
constexpr PathRow kPathRows[] = {{"programs", &ServiceProfile::programs},
                                 {"folders_written", &ServiceProfile::folders_written},
                                 {"files_read", &ServiceProfile::files_read},
                                 {"folders_read", &ServiceProfile::folders_read}};

void read_time(YamlMap& map, std::string_view key, int64_t& out) {
  std::string text;
  if (!map.text(key, text)) return;
  if (const auto time = parse_time(text)) {
    out = *time;
  } else {
    map.complain(key, fmt::format("'{}' is no time (2026-03-30T00:00:07Z)", text));
  }
}

void read_learned(YamlMap& file, ServiceProfile& profile) {
  const YAML::Node node = file.node("learned");
  if (!node.IsDefined()) return;
  YamlMap map(node, file.complaints(), "learned");
  read_time(map, "from", profile.from_ns);
  read_time(map, "to", profile.to_ns);
  map.number("sessions", profile.sessions, 0, uint64_t{1} << 53);
  map.finish();
}

void read_paths(YamlMap& file, const PathRow& row, ServiceProfile& profile) {
  std::vector<std::string>& paths = profile.*row.list;
  file.texts(row.key, paths);
  for (const std::string& path : paths) {
    std::string folder = path;
    if (row.list == &ServiceProfile::folders_written && folder.ends_with(kBelow))
      folder.resize(std::max<size_t>(folder.size() - kBelow.size(), 1));
    if (!is_profile_path(folder)) {
      file.complain(row.key,
                    fmt::format("'{}' is no path for a profile: it must begin with /, without . and .., and have at "
                                "most {} printable characters",
                                printable(path), ServiceProfile::kPathBytesMax));
    }
  }
}

void read_ports(YamlMap& file, ServiceProfile& profile) {
  std::vector<std::string> texts;
  file.texts("ports", texts);
  for (const std::string& text : texts) {
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool number = error == std::errc{} && end == text.data() + text.size() && port > 0;
    if (!number && text != kEphemeral)
      file.complain("ports", fmt::format("'{}' is neither a port nor `ephemeral`", printable(text)));
    profile.ports.push_back(number ? port : uint16_t{0});
  }
}

void read_peers(YamlMap& file, ServiceProfile& profile) {
  std::vector<std::string> texts;
  file.texts("peers", texts);
  for (const std::string& text : texts) {
    const bool v6 = text.find(':') != std::string::npos;
    const auto peer = parse_endpoint(v6 ? "[" + text + "]:0" : text + ":0");
    if (peer) {
      profile.peers.push_back(*peer);
    } else {
      file.complain("peers", fmt::format("'{}' is no address", printable(text)));
    }
  }
}

void emit_texts(YAML::Emitter& out, const char* key, const std::vector<std::string>& texts) {
  if (!texts.empty()) out << YAML::Key << key << YAML::Value << texts;
}

}  // namespace

bool is_profile_path(const std::string& path) {
  if (path.empty() || path[0] != '/' || path.size() > ServiceProfile::kPathBytesMax || printable(path) != path)
    return false;
  if (path == "/") return true;
  const auto parts = split(std::string_view(path).substr(1), '/');
  return std::none_of(parts.begin(), parts.end(),
                      [](std::string_view part) { return part.empty() || part == "." || part == ".."; });
}

size_t entries_of(const ServiceProfile& profile) {
  size_t count = profile.ports.size() + profile.peers.size() + profile.calls.size();
  for (const PathRow& row : kPathRows) count += (profile.*row.list).size();
  return count;
}

Result<ServiceProfile> parse_profile_file(const std::string& path, const std::string& text) {
  const auto document = parse_yaml(path, text);
  if (!document) return tl::unexpected<Error>(document.error());
  Complaints complaints(path);
  YamlMap file(*document, complaints, "a profile");
  ServiceProfile profile;
  std::string version;
  std::string kind;
  for (const char* key : {"apiVersion", "kind", "service"}) file.require(key);
  if (file.text("apiVersion", version) && version != "skep/v1")
    file.complain("apiVersion", fmt::format("'{}' is not skep/v1", version));
  if (file.text("kind", kind) && kind != "ServiceProfile")
    file.complain("kind", fmt::format("'{}' is not ServiceProfile", kind));
  file.text("service", profile.service);
  read_learned(file, profile);
  for (const PathRow& row : kPathRows) read_paths(file, row, profile);
  read_ports(file, profile);
  read_peers(file, profile);
  file.texts("calls", profile.calls);
  if (entries_of(profile) > ServiceProfile::kEntriesMax)
    file.complain("kind", fmt::format("more than {} entries in all", ServiceProfile::kEntriesMax));
  file.finish();
  if (!complaints.none()) return complaints.failure();
  return profile;
}

std::string profile_yaml(const ServiceProfile& profile) {
  YAML::Emitter out;
  for (const std::string& note : profile.notes) out << YAML::Comment(note) << YAML::Newline;
  out << YAML::BeginMap << YAML::Key << "apiVersion" << YAML::Value << "skep/v1" << YAML::Key << "kind" << YAML::Value
      << "ServiceProfile" << YAML::Key << "service" << YAML::Value << profile.service;
  if (profile.from_ns != 0 && profile.to_ns != 0) {
    out << YAML::Key << "learned" << YAML::Value << YAML::Flow << YAML::BeginMap << YAML::Key << "from" << YAML::Value
        << format_time(profile.from_ns) << YAML::Key << "to" << YAML::Value << format_time(profile.to_ns) << YAML::Key
        << "sessions" << YAML::Value << profile.sessions << YAML::EndMap;
  }
  emit_texts(out, "programs", profile.programs);
  std::vector<std::string> texts;
  for (const uint16_t port : profile.ports) texts.push_back(port == 0 ? std::string(kEphemeral) : std::to_string(port));
  if (!texts.empty()) out << YAML::Key << "ports" << YAML::Value << YAML::Flow << texts;
  texts.clear();
  for (const Endpoint& peer : profile.peers) texts.push_back(address_text(peer));
  emit_texts(out, "peers", texts);
  emit_texts(out, "folders_written", profile.folders_written);
  emit_texts(out, "files_read", profile.files_read);
  emit_texts(out, "folders_read", profile.folders_read);
  if (!profile.calls.empty()) out << YAML::Key << "calls" << YAML::Value << YAML::Flow << profile.calls;
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace skep::formats
