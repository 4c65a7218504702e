// Connections to baits that are no sessions, watched for whoever makes them.
#include "base/text.h"
#include "proxy/proxy.h"

namespace skep::proxy {

// The bait whose service has this address, else one on whose host the address is.
Result<Proxy::Place> Proxy::place_of(const Endpoint& target) const {
  for (const size_t number : settings_->current) {
    const Service& each = *settings_->services[number];
    if (each.options.protocol != Protocol::tcp) continue;
    for (size_t i = 0; i < each.baits.size(); ++i) {
      if (each.baits[i] != Service::kUnsupervised && each.options.baits[i].address.contains(target))
        return Place{each.baits[i], each.options.name};
    }
  }
  const auto& baits = settings_->options.baits;
  for (size_t i = 0; i < baits.size(); ++i) {
    if (baits[i].monitor.address == target.address) return Place{i, {}};
  }
  return fail("{}: no bait of this proxy is there, so that nobody watches it", to_string(target));
}

Status Proxy::announce_guest(const wire::WatchRequest& request, wire::WatchReply& reply) {
  const auto own = parse_endpoint(request.own());
  const auto target = parse_endpoint(request.target());
  if (!own || !target || own->port == 0 || target->port == 0)
    return fail("'{}' to '{}' is no connection", printable(request.own()), printable(request.target()));
  const auto place = place_of(*target);
  if (!place) return tl::unexpected<Error>(place.error());
  const auto guest = common_.guests->open(place->bait, now_monotonic_ns());
  if (!guest) return fail("{} connections are watched already: wait until one is over", Guests::kGuestsMax);
  if (auto announced = common_.baits[place->bait]->guest_announced(*guest, {{*own, *target}, place->service});
      !announced) {
    common_.guests->close(*guest);
    return announced;
  }
  reply.set_number(guest->value);
  return {};
}

void Proxy::guest_over(SessionId guest) {
  const auto bait = common_.guests->close(guest);
  if (bait) common_.baits[*bait]->leg_closed(guest, true);
}

void Proxy::forget_guests(int64_t now_ns) {
  const auto forgotten = common_.guests->take_forgotten(now_ns);
  for (const auto& [guest, bait] : forgotten) common_.baits[bait]->leg_closed(guest, true);
}

wire::LocalReply Proxy::watch(const wire::WatchRequest& request) {
  wire::LocalReply reply;
  reply.set_ok(true);
  const SessionId number{request.number()};
  if (request.verb() == wire::WatchRequest::OPEN) {
    const auto announced = announce_guest(request, *reply.mutable_watch());
    if (announced) return reply;
    wire::LocalReply refused = wire::refusal(announced.error().message);
    refused.set_code(announced.error().code);
    return refused;
  }
  if (request.verb() == wire::WatchRequest::OVER) {
    guest_over(number);
    return reply;
  }
  auto guests = common_.guests.hold();
  const Guests::Guest* guest = guests->asked(number, now_monotonic_ns());
  if (guest == nullptr) return wire::refusal(fmt::format("no connection is watched under number {}", number.value));
  wire::WatchReply& seen = *reply.mutable_watch();
  seen.set_served_by_pid(guest->served_by_pid);
  seen.set_supervised(guest->supervised);
  for (const Bytes& alert : guest->alerts) seen.add_alerts(alert.data(), alert.size());
  seen.set_more_alerts(guest->more_alerts);
  return reply;
}

}  // namespace skep::proxy
