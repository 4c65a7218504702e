// skep filter switched|release: the sources whose sessions go to the bait for a while, at skep-proxy's local socket.
#include <cstdio>

#include "base/text.h"
#include "cli/archive_option.h"
#include "cli/parse.h"
#include "formats/yaml.h"
#include "wire/local.h"

namespace skep::cli {
namespace {

constexpr int kAskTimeoutMs = 5000;

int complain(const std::string& words, int code) {
  std::fprintf(stderr, "skep filter: %s\n", words.c_str());
  return code;
}

void say(const std::string& line) {
  const auto entry = formats::parse_yaml("the answer", line);  // JSON is YAML, too
  if (!entry) return;
  const auto text = [&](const char* key) { return printable((*entry)[key].as<std::string>("")); };
  std::puts(fmt::format("{:<40} until {:<27} {} sessions, for rule {}:{} {}", text("source"), text("until"),
                        text("sessions"), text("gid"), text("sid"), text("msg"))
                .c_str());
}

}  // namespace

int run_filter(Words words) {
  ArchiveOption archive;
  bool json = false;
  std::string source;
  CLI::App app("sources that a rule has switched to the bait", "skep filter");
  app.require_subcommand(1);
  CLI::App* switched = app.add_subcommand("switched", "which they are, until when, and for which rule");
  switched->add_flag("--json", json, "one object a line");
  CLI::App* release = app.add_subcommand("release", "its next session goes to production again");
  release->add_option("SOURCE", source, "as `switched` lists it, or an address of it")->required();
  for (CLI::App* each : {switched, release}) archive.add_to(*each);
  if (const auto code = parse(app, words)) return *code;
  const auto folder = archive.folder();
  if (!folder) return complain(folder.error().message, 2);
  wire::LocalRequest request;
  wire::FilterRequest& filter = *request.mutable_filter();
  filter.set_verb(*release ? wire::FilterRequest::RELEASE : wire::FilterRequest::SWITCHED);
  filter.set_source(source);
  const auto reply = wire::ask(*folder + "/proxy.sock", request, kAskTimeoutMs);
  if (!reply) return complain(reply.error().message, 2);
  if (!reply->ok()) return complain(reply->error(), 1);
  for (const std::string& line : reply->lines()) {
    if (json) {
      std::puts(line.c_str());
    } else {
      say(line);
    }
  }
  return 0;
}

}  // namespace skep::cli
