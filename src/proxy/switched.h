// Switched: the sources whose sessions go to the bait for a while, for a rule has fired in one of them (mode: switch).
// Bounded; what is full says so. Pure: time is passed in. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "formats/options.h"
#include "proxy/sources.h"

namespace skep::proxy {

class Switched {
 public:
  explicit Switched(const formats::ProxyOptions& options) { take_options(options); }
  // The options have changed: for what is added from now on.
  void take_options(const formats::ProxyOptions& options);

  // A rule has fired: from now on, for switch_ms. False: there is no place for one more.
  bool add(const Endpoint& source, const RuleHit& hit, int64_t now_ns);
  // Whether a session that begins now is one of theirs; it is counted.
  bool takes(const Endpoint& source, int64_t now_ns);
  // "192.0.2.1", "2001:db8::/64". False: it is not there.
  bool release(const std::string& source);

  struct Entry {
    std::string source;
    int64_t since_ns = 0;  // monotonic, as the next
    int64_t until_ns = 0;
    RuleHit hit;            // the last
    uint64_t sessions = 0;  // that went to the bait
  };
  std::vector<Entry> list(int64_t now_ns);
  size_t size() const { return by_key_.size(); }  // with those whose time has passed since anybody looked
  uint64_t turned_down() const { return turned_down_; }

 private:
  struct Place {
    int64_t since_ns = 0;
    int64_t until_ns = 0;
    RuleHit hit;
    uint64_t sessions = 0;
  };
  SourceKey key_of(const Endpoint& source) const;
  std::string text_of(const SourceKey& key) const;
  void forget_passed(int64_t now_ns);

  int64_t span_ns_ = 0;
  size_t most_ = 0;
  unsigned v4_prefix_ = 32;
  unsigned v6_prefix_ = 64;
  std::map<SourceKey, Place> by_key_;
  uint64_t turned_down_ = 0;
};

}  // namespace skep::proxy
