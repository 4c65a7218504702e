// The automaton on the host: what the kernel's programs do with a table (watch/bpf/calls.h), call by call, with states
// in memory. For the tests in signature files, for unit tests, and to hold against a reference. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "model/signature_table.h"

namespace skep::match {

// Who makes the call: any numbers, 0 for no session and no tree. A process of no tree is one by itself.
struct Caller {
  uint64_t thread = 1;
  uint64_t process = 1;
  uint64_t tree = 0;
  uint64_t session = 0;
};

struct Fired {
  uint16_t signature = 0;
  uint8_t action = 0;  // skep_action that the signature wants
  uint8_t level = 0;   // of evidence that has newly reached one, from 1
};

class Engine {
 public:
  explicit Engine(const skep_table& table) : table_(table) {}

  // The call at one of its places; `call.now_ns` only rises. At most two: the strongest signature that holds (of equals
  // the first), then the level of evidence that was reached.
  std::vector<Fired> judge(skep_call& call, const Caller& caller);

 private:
  using Key = std::tuple<uint8_t, uint64_t, uint8_t>;  // scope, its id, slot
  std::optional<Key> key_of(const skep_signature& signature, const skep_call& call, const Caller& caller) const;
  skep_state* find(const Key& key);
  skep_state& make(const Key& key) { return states_[key]; }
  bool holds(uint16_t which, skep_call& call, const Caller& caller, std::optional<Fired>& level);
  bool follow_sequence(uint16_t which, const Key& key, skep_call& call);
  bool follow_evidence(uint16_t which, const Key& key, const skep_call& call, std::optional<Fired>& level);
  void weigh(uint16_t signature, uint32_t weight, const Key& key, const skep_call& call, std::optional<Fired>& level);
  void feed(const skep_signature& signature, const skep_call& call, const Caller& caller, std::optional<Fired>& level);

  const skep_table& table_;
  std::map<Key, skep_state> states_;
};

}  // namespace skep::match
