// What is kept of addresses, by what it is and by one end of a flow or both: for tables whose keys strangers choose,
// and which are bounded. Values only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

#include "payload/flow.h"

namespace skep::payload {

struct FlowKey {
  uint64_t what = 0;
  std::array<uint8_t, 32> addresses{};  // source, destination; zeroes where it does not count

  FlowKey(uint64_t what_it_is, const Flow& flow, bool by_source, bool by_destination) : what(what_it_is) {
    if (by_source) std::copy(flow.source.address.begin(), flow.source.address.end(), addresses.begin());
    if (by_destination)
      std::copy(flow.destination.address.begin(), flow.destination.address.end(), addresses.begin() + 16);
  }
  bool operator==(const FlowKey&) const = default;

  struct Hash {
    size_t operator()(const FlowKey& key) const {
      const std::string_view text(reinterpret_cast<const char*>(key.addresses.data()), key.addresses.size());
      return std::hash<std::string_view>()(text) ^ std::hash<uint64_t>()(key.what);
    }
  };
};

}  // namespace skep::payload
