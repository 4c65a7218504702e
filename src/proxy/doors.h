// The ports that the proxy listens on: of each a socket a shard, among which the kernel shares out what comes
// (SO_REUSEPORT). The proxy's thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "formats/service_options.h"

namespace skep::proxy {

// One that is to be listened on, as a shard is told.
struct Listening {
  size_t door = 0;  // its number, for good
  Endpoint where;
  Protocol protocol = Protocol::tcp;
  size_t service = 0;   // whose it is
  uint16_t offset = 0;  // of its port in the range
};

class Doors {
 public:
  explicit Doors(unsigned shards) : shards_(shards) {}

  struct Opened {
    std::vector<Listening> all;  // `service`: its place in what was asked for
    // Of each shard, those that are new to it.
    std::vector<std::vector<std::pair<size_t, Fd>>> fresh;
  };
  // All that these services listen on. An error leaves everything as it was.
  Result<Opened> open(const std::vector<formats::ServiceOptions>& services);
  // The options hold: these are listened on from now on, and no others.
  void settle(const Opened& opened);

 private:
  struct Door {
    Endpoint where;
    Protocol protocol = Protocol::tcp;
    bool transparent = false;
    bool open = false;
  };
  Result<size_t> door_at(const Endpoint& where, const formats::ServiceOptions& service, Opened& opened);
  Status open_door(size_t number, Opened& opened) const;

  const unsigned shards_;
  std::vector<Door> doors_;
};

}  // namespace skep::proxy
