// The oracle of a bait: its skep-monitor, asked by way of the running skep-proxy that is its peer, at that one's local
// socket. Each question blocks, 5 s at most; one thread at a time.
#pragma once

#include <string>

#include "replay/player.h"

namespace skep::replay {

class ProxyOracle : public Oracle {
 public:
  // `socket`: ARCHIVE/proxy.sock.
  explicit ProxyOracle(std::string socket) : socket_(std::move(socket)) {}

  Result<uint64_t> watch(const Endpoint& own, const Endpoint& target) override;
  Result<Seen> seen(uint64_t number) override;
  void over(uint64_t number) override;

 private:
  const std::string socket_;
};

}  // namespace skep::replay
