#include "proxy/any_relay.h"

#include "base/result.h"

namespace skep::proxy {
namespace {

template <typename Question>
auto ask(const AnyRelay& of, Question question) {
  if (Relay* const relay = of.stream(); relay != nullptr) return question(*relay);
  SKEP_CHECK(of.datagrams() != nullptr);
  return question(*of.datagrams());
}

}  // namespace

Relay* AnyRelay::stream() const {
  const auto* const held = std::get_if<std::unique_ptr<Relay>>(&relay_);
  return held == nullptr ? nullptr : held->get();
}

DatagramRelay* AnyRelay::datagrams() const {
  const auto* const held = std::get_if<std::unique_ptr<DatagramRelay>>(&relay_);
  return held == nullptr ? nullptr : held->get();
}

void AnyRelay::bait_chosen(Fd socket) {
  ask(*this, [&](auto& relay) { relay.bait_chosen(std::move(socket)); });
}

void AnyRelay::bait_failed(int error) {
  ask(*this, [&](auto& relay) { relay.bait_failed(error); });
}

void AnyRelay::end(EndReason reason) {
  ask(*this, [&](auto& relay) { relay.end(reason); });
}

Relay::Progress AnyRelay::move() {
  return ask(*this, [](auto& relay) { return relay.move(); });
}

bool AnyRelay::over() const {
  return ask(*this, [](const auto& relay) { return relay.over(); });
}

bool AnyRelay::connecting() const {
  return ask(*this, [](const auto& relay) { return relay.connecting(); });
}

int64_t AnyRelay::active_ns() const {
  return ask(*this, [](const auto& relay) { return relay.active_ns(); });
}

std::optional<Limit> AnyRelay::take_limit() {
  return ask(*this, [](auto& relay) { return relay.take_limit(); });
}

formats::ClosedEvent AnyRelay::figures() const {
  return ask(*this, [](const auto& relay) {
    const auto& session = relay.session();
    formats::ClosedEvent event;
    event.reason = session.end_reason();
    event.bytes_in = session.received_from(Side::client);
    event.bytes_out = session.received_from(Side::bait);
    event.forwarded_in = session.forwarded_to(Side::bait);
    event.forwarded_out = session.forwarded_to(Side::client);
    return event;
  });
}

unsigned AnyRelay::descriptors() const {
  if (const Relay* const relay = stream(); relay != nullptr) return relay->socket(Side::bait) >= 0 ? 2 : 1;
  return datagrams()->bait() >= 0 ? 1 : 0;
}

}  // namespace skep::proxy
