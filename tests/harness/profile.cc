#include "harness/profile.h"

#include "base/file.h"

namespace skep::harness {
namespace {

// What a whole monitor.yaml has beside the services.
constexpr char kHead[] = "listen: 10.99.0.3:7443\nkeys: /nowhere\n";

std::string quoted(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) {
    std::string text;
    for (const char c : word) text += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
    list += (list.empty() ? "\"" : ", \"") + text + "\"";
  }
  return "[" + list + "]";
}

void add_texts(std::string& to, const char* key, const std::vector<std::string>& texts) {
  if (!texts.empty()) to += fmt::format(", {}: {}", key, quoted(texts));
}

void add_text(std::string& to, const char* key, const std::string& text) {
  if (!text.empty()) to += fmt::format(", {}: {}", key, text);
}

}  // namespace

Result<Profile> read_profile(const std::string& name) {
  const std::string path = fmt::format("{}/deploy/services/{}.yaml", SKEP_SOURCE, name);
  const auto text = read_file(path);
  if (!text) return tl::unexpected<Error>(text.error());
  const auto options = formats::parse_monitor_options(path, kHead + *text);
  if (!options) return tl::unexpected<Error>(options.error());
  if (options->services.size() != 1) return fail("{}: a profile is of one service", path);
  return Profile{options->services[0], options->app_groups};
}

std::string service_yaml(const formats::MonitoredService& service) {
  std::vector<std::string> ports;
  for (const uint16_t port : service.ports) ports.push_back(std::to_string(port));
  std::string line =
      fmt::format("  - {{name: {}, command: {}, ports: {}", service.name, quoted(service.command), quoted(ports));
  add_text(line, "user", service.user);
  add_text(line, "workdir", service.workdir);
  add_text(line, "output", service.output);
  add_texts(line, "env", service.env);
  add_texts(line, "app_groups", service.app_groups);
  add_texts(line, "intercept", service.intercept);
  if (!service.interprets) line += ", interprets: false";
  if (!service.outgoing.allow.empty()) {
    YAML::Emitter outgoing;
    outgoing << YAML::Flow;
    formats::emit_outgoing(outgoing, service.outgoing);
    line += std::string(", outgoing: ") + outgoing.c_str();
  }
  return line + "}\n";
}

std::string group_yaml(const formats::AppGroup& group) {
  std::string line = fmt::format("  - {{name: {}, programs: {}", group.name, quoted(group.programs));
  add_texts(line, "parents", group.parents);
  return line + "}\n";
}

}  // namespace skep::harness
