// A session's relay as the shard sees it, of a connection or of datagrams: what it asks of either.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "formats/segment.h"
#include "proxy/datagram_relay.h"
#include "proxy/relay.h"

namespace skep::proxy {

class AnyRelay {
 public:
  AnyRelay() = default;  // none
  explicit AnyRelay(std::unique_ptr<Relay> relay) : relay_(std::move(relay)) {}
  explicit AnyRelay(std::unique_ptr<DatagramRelay> relay) : relay_(std::move(relay)) {}

  explicit operator bool() const { return !std::holds_alternative<std::monostate>(relay_); }
  void reset() { relay_ = std::monostate(); }
  // nullptr: it is the other.
  Relay* stream() const;
  DatagramRelay* datagrams() const;
  Protocol protocol() const { return datagrams() != nullptr ? Protocol::udp : Protocol::tcp; }

  // As both have them; these want one to be there.
  void bait_chosen(Fd socket);
  void bait_failed(int error);
  void end(EndReason reason);
  Relay::Progress move();
  bool over() const;
  bool connecting() const;
  int64_t active_ns() const;
  std::optional<Limit> take_limit();
  // What it has come to; what the kernel counted of the legs is not among it.
  formats::ClosedEvent figures() const;
  unsigned descriptors() const;

 private:
  std::variant<std::monostate, std::unique_ptr<Relay>, std::unique_ptr<DatagramRelay>> relay_;
};

}  // namespace skep::proxy
