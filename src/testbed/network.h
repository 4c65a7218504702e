// The paper's testbed on this machine: three hosts as network namespaces, attacker - proxy - honeypot host. Needs root.
#pragma once

#include <string>

#include "base/result.h"

namespace skep::testbed {

inline constexpr char kAttackerAddress[] = "10.99.1.1";
inline constexpr char kProxyOutside[] = "10.99.1.2";
inline constexpr char kProxyInside[] = "10.99.0.2";
inline constexpr char kHoneypotAddress[] = "10.99.0.3";

class Network {
 public:
  static Result<Network> make();
  Network(Network&& other) noexcept;
  ~Network();

  const std::string& attacker() const { return names_[0]; }
  const std::string& proxy() const { return names_[1]; }
  const std::string& honeypot() const { return names_[2]; }
  // Cuts, or mends, the link between proxy and honeypot host.
  Status set_link(bool up) const;

 private:
  Network() = default;
  std::string names_[3];  // of namespaces; unique to this process
};

}  // namespace skep::testbed
