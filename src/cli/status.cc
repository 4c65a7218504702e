// skep status: asks the proxy and the monitor that run on this host, whichever are there.
#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "cli/archive_option.h"
#include "cli/parse.h"
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
    if (const auto status = status_at(*folder + "/proxy.sock", why)) {
      std::printf("%s\n", status->c_str());
      any = true;
    }
  }
  if (const auto status = status_at(monitor, why)) {
    std::printf("%s\n", status->c_str());
    any = true;
  }
  if (any) return 0;
  std::fprintf(stderr, "skep status: neither a proxy nor a monitor answers: %s\n", why.c_str());
  return 1;
}

}  // namespace skep::cli
