#include "proxy/doors.h"

#include "io/datagrams.h"
#include "io/sockets.h"

namespace skep::proxy {

Result<Doors::Opened> Doors::open(const std::vector<formats::ServiceOptions>& services) {
  Opened opened;
  opened.fresh.resize(shards_);
  const size_t before = doors_.size();
  for (size_t service = 0; service < services.size(); ++service) {
    for (const formats::EndpointRange& range : services[service].listen) {
      for (uint16_t offset = 0; offset < range.ports; ++offset) {
        const auto door = door_at(range.at(offset), services[service], opened);
        if (!door) {
          doors_.resize(before);
          return wrap("service " + services[service].name, door);
        }
        opened.all.push_back({*door, range.at(offset), services[service].protocol, service, offset});
      }
    }
  }
  return opened;
}

// That which is there, or a new one.
Result<size_t> Doors::door_at(const Endpoint& where, const formats::ServiceOptions& service, Opened& opened) {
  for (size_t i = 0; i < doors_.size(); ++i) {
    if (!doors_[i].open || doors_[i].where != where || doors_[i].protocol != service.protocol) continue;
    if (doors_[i].transparent == service.transparent) return i;
    return fail("{}: `transparent` cannot change while it is listened on: restart skep-proxy", to_string(where));
  }
  doors_.push_back({where, service.protocol, service.transparent, false});
  if (auto done = open_door(doors_.size() - 1, opened); !done) return tl::unexpected<Error>(done.error());
  return doors_.size() - 1;
}

Status Doors::open_door(size_t number, Opened& opened) const {
  const Door& door = doors_[number];
  const auto listen = [&](bool shared) {
    return door.protocol == Protocol::udp ? io::listen_udp(door.where, shared)
                                          : io::listen_tcp(door.where, {door.transparent, shared});
  };
  auto alone = listen(false);
  if (!alone) return tl::unexpected<Error>(alone.error());
  if (shards_ == 1) {
    opened.fresh[0].emplace_back(number, std::move(*alone));
    return {};
  }
  // That one has shown that nobody else has the port, which sockets that share it could not.
  alone->reset();
  for (unsigned shard = 0; shard < shards_; ++shard) {
    auto socket = listen(true);
    if (!socket) return tl::unexpected<Error>(socket.error());
    opened.fresh[shard].emplace_back(number, std::move(*socket));
  }
  return {};
}

void Doors::settle(const Opened& opened) {
  for (Door& door : doors_) door.open = false;
  for (const Listening& each : opened.all) doors_[each.door].open = true;
}

}  // namespace skep::proxy
