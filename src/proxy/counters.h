// What the proxy has counted since it began: plain numbers, which `skep status` and the metrics show. One thread's.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "model/session.h"
#include "proxy/filter_counters.h"

namespace skep::proxy {

struct ServiceCounters {
  static constexpr size_t kClasses = 4;
  static constexpr size_t kEndReasons = static_cast<size_t>(EndReason::filtered) + 1;
  uint64_t sessions = 0;
  uint64_t live = 0;
  std::array<uint64_t, kClasses>
      classes{};  // of all its sessions, as they stand now: a class rises, even after the end
  std::array<uint64_t, kEndReasons> ended{};  // by the reason
  uint64_t bytes_in = 0;                      // received from attackers
  uint64_t bytes_out = 0;                     // … from the bait

  ServiceCounters& operator+=(const ServiceCounters& other);
};

struct Counters {
  static constexpr size_t kRulesMax = 256;  // a monitor's word: what is beyond counts as "other"

  std::map<std::string, ServiceCounters, std::less<>> services;
  std::map<std::string, uint64_t, std::less<>> limits;  // by the limit's name: how often it was met
  std::map<std::string, uint64_t, std::less<>> alerts;  // by the rule
  FilterCounters filter;
  uint64_t sessions_total = 0;
  uint64_t sessions_refused = 0;
  uint64_t datagrams_lost = 0;        // that a socket for all of a port's could not hold: whose they were nobody knows
  uint64_t datagrams_after_cut = 0;   // of a session that was cut: dropped
  uint64_t datagrams_unrecorded = 0;  // turned away at a limit, too many to have a record each

  void opened(const std::string& service);
  void ended(const std::string& service, EndReason reason, uint64_t bytes_in, uint64_t bytes_out);
  void refused(const std::string& service, std::string_view limit);
  void met(std::string_view limit);
  void alert(const std::string& rule);
  // A session of this run has risen.
  void raised(const std::string& service, SessionClass from, SessionClass to);

  // What several shards have counted.
  Counters& operator+=(const Counters& other);
};

}  // namespace skep::proxy
