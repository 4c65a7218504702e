#include "testbed/network.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "testbed/process.h"

namespace skep::testbed {
namespace {

// In a namespace by entering it, not by `ip -n`, which mounts things anew and cannot where / is no mount (a chroot).
Status ip(const std::vector<std::string>& words, const std::string& netns = "") {
  std::vector<std::string> command = {"/usr/sbin/ip"};
  if (::access(command[0].c_str(), X_OK) != 0) command[0] = "/sbin/ip";
  command.insert(command.end(), words.begin(), words.end());
  return run_to_end(command, {netns, {}, {}});
}

Status link(const std::string& a, const std::string& b, const std::string& tag, const std::string& address_a,
            const std::string& address_b) {
  const std::string end_a = tag + "a";
  const std::string end_b = tag + "b";
  struct Step {
    std::vector<std::string> words;
    std::string netns;
  };
  const std::vector<Step> steps = {
      {{"link", "add", end_a, "netns", a, "type", "veth", "peer", "name", end_b, "netns", b}, ""},
      {{"addr", "add", address_a + "/24", "dev", end_a}, a},
      {{"addr", "add", address_b + "/24", "dev", end_b}, b},
      {{"link", "set", end_a, "up"}, a},
      {{"link", "set", end_b, "up"}, b}};
  for (const Step& step : steps) {
    if (auto done = ip(step.words, step.netns); !done) return done;
  }
  return {};
}

}  // namespace

Result<Network> Network::make() {
  Network network;
  const std::string tag = fmt::format("skep{}", ::getpid());
  for (size_t i = 0; i < 3; ++i) {
    const std::string name = fmt::format("{}-{}", tag, i == 0 ? "attacker" : i == 1 ? "proxy" : "honeypot");
    if (auto added = ip({"netns", "add", name}); !added)
      return wrap("make a network namespace (root and iproute2 are needed)", added);
    network.names_[i] = name;
    if (auto up = ip({"link", "set", "lo", "up"}, name); !up) return tl::unexpected<Error>(up.error());
  }
  if (auto linked = link(network.attacker(), network.proxy(), "sko", kAttackerAddress, kProxyOutside); !linked)
    return tl::unexpected<Error>(linked.error());
  if (auto linked = link(network.proxy(), network.honeypot(), "ski", kProxyInside, kHoneypotAddress); !linked)
    return tl::unexpected<Error>(linked.error());
  return network;
}

Network::Network(Network&& other) noexcept {
  for (size_t i = 0; i < 3; ++i) names_[i] = std::exchange(other.names_[i], {});
}

Network::~Network() {
  for (const std::string& name : names_) {
    if (name.empty()) continue;
    [[maybe_unused]] const auto gone = ip({"netns", "del", name});
  }
}

Status Network::set_link(bool up) const {
  return ip({"link", "set", "skia", up ? "up" : "down"}, proxy());
}

}  // namespace skep::testbed
