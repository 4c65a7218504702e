#include "cli/profile_commands.h"

#include <cstdio>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "wire/local.h"

namespace skep::cli {
namespace {

constexpr int kAskTimeoutMs = 30'000;

int complain(const std::string& words, int code = 2) {
  std::fprintf(stderr, "skep hids: %s\n", words.c_str());
  return code;
}

}  // namespace

ProfileCommands::ProfileCommands(CLI::App& app, std::string& socket, bool& json) : socket_(socket), json_(json) {
  const auto command = [&](CLI::App& parent, const char* name, const char* help) {
    CLI::App* sub = parent.add_subcommand(name, help);
    sub->add_option("--socket", socket_, "skep-monitor's local socket (else SKEP_MONITOR_SOCKET)");
    sub->add_flag("--json", json_, "one object a line");
    sub->add_option("SERVICE", service_, "the service's name")->required();
    return sub;
  };
  learn_ = command(app, "learn", "learn what a service does, for a profile");
  auto* start = learn_->add_flag("--start", start_, "from now on, and from nothing");
  auto* stop = learn_->add_flag("--stop", stop_, "end it and write the profile (which is not in force by that)");
  start->excludes(stop);
  learn_->add_option("--for", span_, "with --start: end it by itself after this span (24h)")->needs(start);
  learn_->add_option("-o", output_, "with --stop: the file to write; else stdout")->needs(stop);
  CLI::App* profile = app.add_subcommand("profile", "what a service is held to");
  profile->require_subcommand(1);
  set_ = command(*profile, "set", "hold a service to a profile: what is not in it is first seen");
  set_->add_option("FILE", file_, "the profile")->required();
  remove_ = command(*profile, "remove", "hold it to none");
}

std::optional<int> ProfileCommands::run() const {
  if (*learn_) return learn();
  if (*set_) return hold();
  if (!*remove_) return std::nullopt;
  wire::LocalRequest request;
  request.mutable_profile()->set_verb(wire::ProfileRequest::REMOVE);
  return ask(request);
}

int ProfileCommands::learn() const {
  if (start_ == stop_) return complain("learn: wants --start or --stop");
  wire::LocalRequest request;
  request.mutable_profile()->set_verb(start_ ? wire::ProfileRequest::START : wire::ProfileRequest::STOP);
  if (!span_.empty()) {
    const auto span = parse_span(span_);
    if (!span || *span <= 0) return complain(fmt::format("--for: '{}' is no span (30m, 24h)", printable(span_)));
    request.mutable_profile()->set_span_ns(static_cast<uint64_t>(*span));
  }
  return ask(request);
}

int ProfileCommands::hold() const {
  const auto text = read_file(file_);
  if (!text) return complain(text.error().message);
  wire::LocalRequest request;
  request.mutable_profile()->set_verb(wire::ProfileRequest::HOLD);
  request.mutable_profile()->mutable_file()->set_path(file_);
  request.mutable_profile()->mutable_file()->set_content(*text);
  return ask(request);
}

int ProfileCommands::ask(const wire::LocalRequest& request) const {
  wire::LocalRequest whole = request;
  whole.mutable_profile()->set_service(service_);
  const auto reply = wire::ask(socket_, whole, kAskTimeoutMs);
  if (!reply) return complain(reply.error().message);
  if (!reply->ok()) return complain(reply->error());
  return give_out(*reply);
}

// The document goes to its file, or to stdout; then the line about it to where the document is not.
int ProfileCommands::give_out(const wire::LocalReply& reply) const {
  const bool to_stdout = stop_ && (output_.empty() || output_ == "-");
  if (to_stdout && !json_) std::fwrite(reply.document().data(), 1, reply.document().size(), stdout);
  if (stop_ && !to_stdout) {
    if (const auto written = write_file(output_, reply.document()); !written) {
      // What was learned is nowhere else any more.
      std::fwrite(reply.document().data(), 1, reply.document().size(), stdout);
      return complain(written.error().message + "; the profile is on stdout instead", 1);
    }
  }
  for (const std::string& line : reply.lines()) {
    if (to_stdout && json_) {
      const std::string_view head = std::string_view(line).substr(0, line.size() - 1);
      std::printf("%.*s", static_cast<int>(head.size()), head.data());
      JsonWriter text;
      text.value(reply.document());
      std::printf(",\"document\":%s}\n", text.text().c_str());
    } else {
      std::fprintf(to_stdout ? stderr : stdout, "%s\n", line.c_str());
    }
  }
  return 0;
}

}  // namespace skep::cli
