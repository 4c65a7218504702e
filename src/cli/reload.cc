// skep reload: has skep-proxy read its options again. What may change comes into force for sessions that begin from
// then on; live ones go on as they began.
#include <cstdio>

#include "cli/archive_option.h"
#include "cli/parse.h"
#include "wire/local.h"

namespace skep::cli {
namespace {

constexpr int kAskTimeoutMs = 10'000;

}  // namespace

int run_reload(Words words) {
  ArchiveOption archive;
  CLI::App app("has skep-proxy read its options again, without dropping a session", "skep reload");
  archive.add_to(app);
  if (const auto code = parse(app, words)) return *code;
  const auto folder = archive.folder();
  if (!folder) {
    std::fprintf(stderr, "skep reload: %s\n", folder.error().message.c_str());
    return 2;
  }
  wire::LocalRequest request;
  request.mutable_reload();
  const auto reply = wire::ask(*folder + "/proxy.sock", request, kAskTimeoutMs);
  if (!reply || !reply->ok()) {
    std::fprintf(stderr, "skep reload: %s\n", reply ? reply->error().c_str() : reply.error().message.c_str());
    return 1;
  }
  for (const std::string& line : reply->lines()) std::printf("%s\n", line.c_str());
  return 0;
}

}  // namespace skep::cli
