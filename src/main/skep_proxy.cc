// skep-proxy: the proxy host's program.
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/file.h"
#include "base/log.h"
#include "cli/program_options.h"
#include "formats/options.h"
#include "proxy/proxy.h"
#include "wire/tls.h"

int main(int argc, char** argv) {
  using namespace skep;
  log::set_area("proxy");
  const auto wanted = cli::parse_program_options(argc, argv, "skep-proxy",
                                                 "answers for services, records every session, tags the attacks");
  if (!wanted.go_on) return wanted.exit_code;
  const auto read_options = [&wanted]() -> Result<formats::ProxyOptions> {
    const auto text = read_file(wanted.config);
    if (!text) return tl::unexpected<Error>(text.error());
    return formats::parse_proxy_options(wanted.config, *text);
  };
  const auto options = read_options();
  if (!options) {
    std::fprintf(stderr, "skep-proxy: %s\n", options.error().message.c_str());
    return 2;
  }
  if (wanted.effective) {
    std::fputs(formats::effective_yaml(*options).c_str(), stdout);
    return 0;
  }
  if (wanted.check) {
    const auto filters = proxy::make_filters(*options);
    if (!filters) std::fprintf(stderr, "skep-proxy: %s\n", filters.error().message.c_str());
    if (!filters) return 2;
    for (const std::string& refused : filters->refused)
      std::fprintf(stderr, "skep-proxy: warning: filter: %s\n", refused.c_str());
    if (options->baits.empty()) return 0;
    const auto keys = wire::TlsContext::load(options->keys, wire::Role::proxy);
    if (!keys) std::fprintf(stderr, "skep-proxy: %s\n", keys.error().message.c_str());
    return keys ? 0 : 2;
  }
  log::set_options(options->log);
  ::signal(SIGPIPE, SIG_IGN);
  // Before any thread begins, so that all of them leave these signals to the proxy.
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  auto proxy = proxy::Proxy::start(*options, read_options);
  if (!proxy) {
    std::fprintf(stderr, "skep-proxy: %s\n", proxy.error().message.c_str());
    return 2;
  }
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, "ready\n", 6);
  (*proxy)->run();
  return 0;
}
