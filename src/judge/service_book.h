// The services in force: which slot each has, and what watch and the compiler must know of it. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/options.h"
#include "match/compile.h"
#include "model/watch_records.h"

namespace skep::judge {

class ServiceBook {
 public:
  struct Entry {
    formats::MonitoredService options;
    uint32_t slot = 0;
    skep_service_state state{};
  };

  // `fence`: networks that no service speaks with, whatever it is allowed.
  explicit ServiceBook(std::vector<formats::AppGroup> groups, std::vector<std::string> fence = {})
      : groups_(std::move(groups)), fence_(std::move(fence)) {}

  // The entry gets the lowest free slot. Errors: the name is taken, no slot is free, a call to intercept is unknown.
  Result<uint32_t> add(const formats::MonitoredService& service);
  bool remove(const std::string& name);
  void note(const skep_service_state& state);

  Result<skep_service_order> order_for(uint32_t slot) const;
  std::vector<match::CompiledService> compiled() const;
  const std::vector<Entry>& entries() const { return entries_; }
  std::string name_of(uint32_t slot) const;  // "" where the slot is free

 private:
  const Entry* find(uint32_t slot) const;
  std::vector<formats::AppGroup> groups_;
  std::vector<std::string> fence_;
  std::vector<Entry> entries_;
};

}  // namespace skep::judge
