// skep keys init DIR
#include "wire/keys.h"

#include <cstdio>

#include "cli/parse.h"

namespace skep::cli {

int run_keys(Words words) {
  std::string folder;
  CLI::App app("keys of the control channel", "skep keys");
  app.require_subcommand(1);
  CLI::App* init = app.add_subcommand("init", "make a CA, and a key each for proxy and monitor");
  init->add_option("DIR", folder, "where to; made where it is not there")->required();
  if (const auto code = parse(app, words)) return *code;
  const auto made = wire::init_keys(folder);
  if (!made) {
    std::fprintf(stderr, "skep keys: %s\n", made.error().message.c_str());
    return 2;
  }
  for (const std::string& file : *made) std::printf("%s\n", file.c_str());
  std::fprintf(
      stderr,
      "proxy host:    ca.pem proxy.pem proxy.key\n"
      "honeypot host: ca.pem monitor.pem monitor.key\n"
      "ca.key stays with you: it is needed only to make further keys. The two keys hold 825 days, the CA 10 years.\n");
  return 0;
}

}  // namespace skep::cli
