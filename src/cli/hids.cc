// skep hids signatures|services|learn|profile|status|check
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "base/text.h"
#include "cli/parse.h"
#include "cli/profile_commands.h"
#include "match/check.h"
#include "wire/local.h"

namespace skep::cli {
namespace {

constexpr int kAskTimeoutMs = 30'000;

struct Options {
  std::string socket;
  bool json = false;
  std::vector<std::string> items;
};

int complain(const std::string& words, int code = 2) {
  std::fprintf(stderr, "skep hids: %s\n", words.c_str());
  return code;
}

int ask_monitor(const Options& options, const wire::LocalRequest& request) {
  const auto reply = wire::ask(options.socket, request, kAskTimeoutMs);
  if (!reply) return complain(reply.error().message);
  for (const std::string& line : reply->lines()) std::printf("%s\n", line.c_str());
  return reply->ok() ? 0 : complain(reply->error());
}

template <typename Request>
int ask_of(const Options& options, Request* (wire::LocalRequest::*part)(), typename Request::Verb verb, bool files) {
  wire::LocalRequest request;
  Request& wanted = *(request.*part)();
  wanted.set_verb(verb);
  for (const std::string& item : options.items) {
    if (!files) {
      wanted.add_names(item);
      continue;
    }
    const auto text = read_file(item);
    if (!text) return complain(text.error().message);
    wanted.add_files()->set_path(item);
    wanted.mutable_files()->rbegin()->set_content(*text);
  }
  return ask_monitor(options, request);
}

void print_usable(const match::SignatureInfo& info, bool as_json) {
  if (!as_json) {
    std::printf("%s:%d: %s: usable\n", info.file.c_str(), info.line, info.name.c_str());
    return;
  }
  JsonWriter json;
  json.begin_object()
      .field("name", info.name)
      .field("file", info.file)
      .field("line", info.line)
      .field("state", "loaded")
      .end_object();
  std::printf("%s\n", json.text().c_str());
}

void print_test(const match::TestResult& result, bool as_json) {
  const formats::SignatureTest& test = *result.test;
  const bool passed = result.failures.empty();
  if (!as_json) {
    std::printf("%s:%d: test: %s: %s\n", test.file.c_str(), test.line, printable(test.name).c_str(),
                passed ? "ok" : "FAILED");
    for (const std::string& failure : result.failures) std::printf("  %s\n", failure.c_str());
    return;
  }
  JsonWriter json;
  json.begin_object()
      .field("test", test.name)
      .field("file", test.file)
      .field("line", test.line)
      .field("state", passed ? "ok" : "failed")
      .key("failures")
      .begin_array();
  for (const std::string& failure : result.failures) json.value(failure);
  json.end_array().end_object();
  std::printf("%s\n", json.text().c_str());
}

// 0: all is well; 1: a test failed; 2: the files do not load.
int check(const Options& options) {
  const auto checked = match::check_files(options.items);
  if (!checked) {
    std::fprintf(stderr, "%s\n", checked.error().message.c_str());
    return 2;
  }
  for (const match::SignatureInfo& info : checked->compiled.signatures) print_usable(info, options.json);
  bool passed = true;
  for (const match::TestResult& result : checked->tests) {
    print_test(result, options.json);
    passed = passed && result.failures.empty();
  }
  return passed ? 0 : 1;
}

}  // namespace

int run_hids(Words words) {
  Options options;
  const char* from_environment = std::getenv("SKEP_MONITOR_SOCKET");
  options.socket = from_environment != nullptr ? from_environment : "/run/skep/monitor.sock";
  CLI::App app("the host intrusion detection system of a running skep-monitor", "skep hids");
  app.require_subcommand(1);
  const auto command = [&](CLI::App& parent, const char* name, const char* help, const char* items) {
    CLI::App* sub = parent.add_subcommand(name, help);
    sub->add_option("--socket", options.socket, "skep-monitor's local socket (else SKEP_MONITOR_SOCKET)");
    sub->add_flag("--json", options.json, "one object a line");
    if (items != nullptr) sub->add_option(items, options.items)->required();
    return sub;
  };
  CLI::App* signatures = app.add_subcommand("signatures", "the signatures in force");
  signatures->require_subcommand(1);
  const CLI::App* signatures_list = command(*signatures, "list", "those in force", nullptr);
  const CLI::App* signatures_add =
      command(*signatures, "add", "add files; a file of the same path takes its former self's place", "FILE");
  const CLI::App* signatures_remove =
      command(*signatures, "remove", "remove signatures, or whole files, by name", "NAME");
  const CLI::App* signatures_set = command(*signatures, "set", "put these files in the place of all", "FILE");
  CLI::App* services = app.add_subcommand("services", "the supervised services");
  services->require_subcommand(1);
  const CLI::App* services_list = command(*services, "list", "those supervised", nullptr);
  const CLI::App* services_add =
      command(*services, "add", "supervise more: YAML as under `services:`, by pid or cgroup", "FILE");
  const CLI::App* services_remove = command(*services, "remove", "let go: the processes run on, unsupervised", "NAME");
  const CLI::App* status = command(app, "status", "what skep-monitor says of itself", nullptr);
  const CLI::App* checking =
      command(app, "check", "check signature files and run their tests, without a kernel", "FILE");
  const ProfileCommands profiles(app, options.socket, options.json);
  if (const auto code = parse(app, words)) return *code;
  if (const auto code = profiles.run()) return *code;

  using Signatures = wire::SignaturesRequest;
  using Services = wire::ServicesRequest;
  const auto ask_signatures = [&](Signatures::Verb verb, bool files) {
    return ask_of<Signatures>(options, &wire::LocalRequest::mutable_signatures, verb, files);
  };
  const auto ask_services = [&](Services::Verb verb, bool files) {
    return ask_of<Services>(options, &wire::LocalRequest::mutable_services, verb, files);
  };
  if (*signatures_list) return ask_signatures(Signatures::LIST, false);
  if (*signatures_add) return ask_signatures(Signatures::ADD, true);
  if (*signatures_remove) return ask_signatures(Signatures::REMOVE, false);
  if (*signatures_set) return ask_signatures(Signatures::SET, true);
  if (*services_list) return ask_services(Services::LIST, false);
  if (*services_add) return ask_services(Services::ADD, true);
  if (*services_remove) return ask_services(Services::REMOVE, false);
  if (*checking) return check(options);
  if (!*status) return 2;
  wire::LocalRequest request;
  request.mutable_status();
  return ask_monitor(options, request);
}

}  // namespace skep::cli
