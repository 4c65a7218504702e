// What all shards have together: each is asked a few times a session, never for a byte of it.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "proxy/bait.h"
#include "proxy/buffers.h"
#include "proxy/filter_places.h"
#include "proxy/guests.h"
#include "proxy/kin.h"
#include "proxy/limits.h"
#include "proxy/switched.h"

namespace skep::proxy {

struct Common {
  // `descriptors`: that sessions may have.
  Common(const formats::ProxyOptions& options, uint64_t descriptors, uint64_t random)
      : seed(random),
        limits(options, descriptors, seed),
        switched(options),
        guests(static_cast<uint64_t>(now_realtime_ns() / 1'000'000)),
        buffers(options.buffers_bytes_max) {}

  const uint64_t seed;  // of tables whose keys strangers choose
  Guarded<Limits> limits;
  Guarded<Kin> kin;
  Guarded<Switched> switched;
  Guarded<Guests> guests;
  Buffers buffers;
  FilterPlaces filter_places;
  std::atomic<size_t> waiting_for_header{0};  // connections of balancers
  std::atomic<int64_t> descriptors_lacked_ns{0};
  std::vector<std::unique_ptr<Bait>> baits;
};

}  // namespace skep::proxy
