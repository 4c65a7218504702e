// The services under supervision, by slot: launched or adopted, restarted when they end, released when they are
// removed. Watch's thread only.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "model/watch_records.h"
#include "watch/cgroup.h"
#include "watch/kernel.h"
#include "watch/launcher.h"
#include "watch/notifier.h"

namespace skep::watch {

// An app group, its files looked up.
struct AppGroupFiles {
  std::vector<uint64_t> programs;
  std::vector<uint64_t> parents;  // none: any program of the service may start them
};

class Services {
 public:
  // `group` holds all that is launched.
  Services(Kernel& kernel, Notifier& notifier, const Cgroup& group)
      : kernel_(kernel), notifier_(notifier), group_(group) {}

  // From here on a command is launched only if an order before the seal was the same to the byte.
  void seal() { sealed_ = true; }
  // Launches, adopts, or changes ports and programs of the service in the order's slot. Checks every bound of it.
  Status set(const skep_service_order& order);
  // By name; its processes go on, unsupervised.
  Status remove(const std::string& name);

  // A child of watch's has ended: true if it was a service's first process. It will be started again.
  bool ended(pid_t pid, int status, int64_t now_ns);
  // Starts again what is due. Returns when to call next; nullopt: nothing waits.
  std::optional<int64_t> restart_due(int64_t now_ns);
  // States that have changed since the last call.
  std::vector<skep_service_state> take_changes();
  std::vector<skep_service_state> all_states() const;

 private:
  struct Service {
    skep_service_order order{};
    LaunchPlan plan;
    ServiceMark mark;
    skep_service_state state{};
    std::optional<int64_t> restart_at_ns;
    int64_t started_ns = 0;
    int64_t pause_ns = 0;
  };

  Status set_new(const skep_service_order& order, Service service);
  Status change(Service& service, const skep_service_order& order);
  Status allow_programs(const Service& service, const std::vector<std::string>& group_files);
  Status allow_group(const Service& service, const AppGroupFiles& group);
  Status start(Service& service);
  Status adopt(Service& service);
  bool known_command(const skep_service_order& order) const;
  void tell(const Service& service) { changes_.push_back(service.state); }

  Kernel& kernel_;
  Notifier& notifier_;
  const Cgroup& group_;
  bool sealed_ = false;
  std::vector<skep_service_order> sealed_orders_;
  std::array<std::optional<Service>, SKEP_SERVICES_MAX> slots_;
  std::vector<skep_service_state> changes_;
};

}  // namespace skep::watch
