#include "formats/log_options.h"

#include <span>

#include "base/text.h"

namespace skep::formats {
namespace {

// One of `names`, by its place.
template <typename Choice>
void read_choice(YamlMap& map, std::string_view key, std::span<const std::string_view> names, Choice& out) {
  std::string text;
  if (!map.text(key, text)) return;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return void(out = static_cast<Choice>(i));
  }
  map.complain(key, fmt::format("wants one of {}, found '{}'", fmt::join(names, ", "), text));
}

}  // namespace

void read_log(YamlMap& map, log::Options& options) {
  const YAML::Node node = map.node("log");
  if (!node.IsDefined()) return;
  YamlMap of(node, map.complaints(), "log");
  read_choice(of, "format", log::kFormatNames, options.format);
  read_choice(of, "level", log::kLevelNames, options.level);
  of.finish();
}

void emit_log(YAML::Emitter& out, const log::Options& options) {
  out << YAML::Key << "log" << YAML::Value << YAML::Flow << YAML::BeginMap << YAML::Key << "format" << YAML::Value
      << std::string(log::kFormatNames[static_cast<size_t>(options.format)]) << YAML::Key << "level" << YAML::Value
      << std::string(log::kLevelNames[static_cast<size_t>(options.level)]) << YAML::EndMap;
}

}  // namespace skep::formats
