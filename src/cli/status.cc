// skep status: asks the proxy and the monitor that run on this host, whichever are there.
#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "cli/archive_option.h"
#include "cli/parse.h"
#include "cli/status_text.h"
#include "wire/local.h"

namespace skep::cli {
namespace {

constexpr int kAskTimeoutMs = 5000;

std::optional<std::string> status_at(const std::string& socket, std::string& words) {
  wire::LocalRequest request;
  request.mutable_status();
  const auto reply = wire::ask(socket, request, kAskTimeoutMs);
  if (reply && reply->ok() && reply->lines_size() == 1) return reply->lines(0);
  words += (words.empty() ? "" : "; ") + (reply ? reply->error() : reply.error().message);
  return std::nullopt;
}

bool show(const std::string& status, bool json, std::string& words) {
  const auto text = json ? Result<std::string>(status + "\n") : status_text(status);
  if (text) {
    std::fputs(text->c_str(), stdout);
  } else {
    words += (words.empty() ? "" : "; ") + text.error().message;
  }
  return text.has_value();
}

}  // namespace

int run_status(Words words) {
  ArchiveOption archive;
  bool json = false;
  const char* from_environment = std::getenv("SKEP_MONITOR_SOCKET");
  std::string monitor = from_environment != nullptr ? from_environment : "/run/skep/monitor.sock";
  CLI::App app("what the programs running here say of themselves", "skep status");
  archive.add_to(app);
  app.add_option("--socket", monitor, "skep-monitor's local socket (else SKEP_MONITOR_SOCKET)");
  app.add_flag("--json", json, "one object a line");
  if (const auto code = parse(app, words)) return *code;
  std::string why;
  bool any = false;
  if (const auto folder = archive.folder()) {
    if (const auto status = status_at(*folder + "/proxy.sock", why)) any = show(*status, json, why);
  }
  if (const auto status = status_at(monitor, why)) any |= show(*status, json, why);
  if (any) return 0;
  std::fprintf(stderr, "skep status: neither a proxy nor a monitor answers: %s\n", why.c_str());
  return 1;
}

}  // namespace skep::cli
