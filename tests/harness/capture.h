// Capture: every packet that arrives at a host of the testbed, as its own kernel got it from the wire: what a program
// on another host sent, whatever call it used.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace skep::harness {

class Capture {
 public:
  // On all links of the namespace, from here on.
  static Result<Capture> start(const std::string& netns);
  // Packets from other hosts so far, but those that `ordinary` names by their port on either side (0: none):
  // "udp 10.99.0.3 > 10.99.0.2:9". ARP, and what IPv6 hosts say of themselves (neighbour discovery, MLD), are left out.
  std::vector<std::string> others(const std::vector<uint16_t>& ordinary);

 private:
  explicit Capture(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

}  // namespace skep::harness
