#include "watch/services.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "watch/programs.h"

namespace skep::watch {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kPauseMax = 30 * kSecond;
constexpr int64_t kSettled = 10 * kSecond;  // a service that ran this long begins anew with the shortest pause
constexpr int kAdoptRounds = 20;

struct Texts {
  std::vector<std::string> command;
  std::vector<std::string> env;
  std::vector<std::string> group_files;
};

// The order's strings, each with its NUL, one after the other: exactly as many as it says, in the bytes that it says.
Result<Texts> read_texts(const skep_service_order& order) {
  if (order.texts_bytes > sizeof order.texts) return fail("texts: larger than {} bytes", sizeof order.texts);
  std::string_view rest(order.texts, order.texts_bytes);
  const auto take = [&rest](uint32_t count, std::vector<std::string>& to) {
    for (uint32_t i = 0; i < count; ++i) {
      const size_t end = rest.find('\0');
      if (end == std::string_view::npos) return false;
      to.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end + 1);
    }
    return true;
  };
  Texts texts;
  if (order.group_file_count > SKEP_GROUP_FILES_MAX)
    return fail("more than {} programs in app_groups", int{SKEP_GROUP_FILES_MAX});
  if (!take(order.argc, texts.command) || !take(order.envc, texts.env) ||
      !take(order.group_file_count, texts.group_files)) {
    return fail("texts: fewer strings than announced");
  }
  return texts;
}

// The files that a run of patterns, up to "", leads to now; `rest` goes on behind it.
Result<std::vector<uint64_t>> read_files(std::span<const std::string>& rest) {
  std::vector<uint64_t> files;
  while (!rest.empty() && !rest.front().empty()) {
    for (const std::string& path : expand_glob(rest.front())) {
      const auto id = file_id(path);
      if (!id) return tl::unexpected<Error>(id.error());
      files.push_back(*id);
    }
    rest = rest.subspan(1);
  }
  if (rest.empty()) return fail("texts: an app group has no end");
  rest = rest.subspan(1);
  return files;
}

// Those that only some programs may start first: what another group allows to anybody is allowed last, and stands.
Result<std::vector<AppGroupFiles>> read_groups(std::span<const std::string> texts) {
  std::vector<AppGroupFiles> groups;
  while (!texts.empty()) {
    auto programs = read_files(texts);
    if (!programs) return tl::unexpected<Error>(programs.error());
    const bool named = !texts.empty() && !texts.front().empty();
    auto parents = read_files(texts);
    if (!parents) return tl::unexpected<Error>(parents.error());
    if (named && parents->empty()) return fail("an app group's parents are not there: nothing could start it");
    groups.push_back({std::move(*programs), std::move(*parents)});
  }
  std::stable_partition(groups.begin(), groups.end(), [](const AppGroupFiles& g) { return !g.parents.empty(); });
  return groups;
}

template <size_t N>
std::string field(const char (&text)[N]) {
  return std::string(text, ::strnlen(text, N));
}

Status check_bounds(const skep_service_order& order) {
  if (order.service >= SKEP_SERVICES_MAX) return fail("service slot {} of {}", order.service, int{SKEP_SERVICES_MAX});
  if (order.port_count > SKEP_PORTS_MAX) return fail("more than {} ports", int{SKEP_PORTS_MAX});
  if (order.intercept_count > SKEP_INTERCEPTS_MAX)
    return fail("more than {} intercepted calls", int{SKEP_INTERCEPTS_MAX});
  if (order.outgoing.peer_count > SKEP_PEERS_MAX || order.outgoing.fence_count > SKEP_FENCES_MAX)
    return fail("more than {} peers or {} fences", int{SKEP_PEERS_MAX}, int{SKEP_FENCES_MAX});
  const int ways = (order.argc > 0) + (order.adopt_pid > 0) + (order.cgroup[0] != 0);
  if (ways != 1) return fail("a service is launched (command), or adopted (pid or cgroup): exactly one of them");
  return {};
}

std::vector<uint16_t> ports_of(const skep_service_order& order) {
  return {order.ports, order.ports + order.port_count};
}

bool same_command(const skep_service_order& a, const skep_service_order& b) {
  return a.argc == b.argc && a.envc == b.envc && a.texts_bytes == b.texts_bytes &&
         std::memcmp(a.texts, b.texts, a.texts_bytes) == 0 && field(a.user) == field(b.user) &&
         field(a.workdir) == field(b.workdir) && field(a.output) == field(b.output) && field(a.name) == field(b.name) &&
         a.intercept_count == b.intercept_count &&
         std::equal(a.intercepts, a.intercepts + a.intercept_count, b.intercepts) &&
         a.no_address_randomisation == b.no_address_randomisation && a.reads_data_alone == b.reads_data_alone &&
         std::memcmp(&a.outgoing, &b.outgoing, sizeof a.outgoing) == 0;
}

}  // namespace

bool Services::known_command(const skep_service_order& order) const {
  return std::any_of(sealed_orders_.begin(), sealed_orders_.end(),
                     [&](const skep_service_order& known) { return same_command(known, order); });
}

Status Services::set(const skep_service_order& order) {
  if (auto within = check_bounds(order); !within) return within;
  if (order.argc > 0 && sealed_ && !known_command(order)) {
    return fail("{}: a command is launched only from monitor.yaml; start it and adopt it by pid", field(order.name));
  }
  auto& slot = slots_[order.service];
  if (slot && same_command(slot->order, order) && slot->order.adopt_pid == order.adopt_pid) return change(*slot, order);
  if (slot) return fail("slot {} is taken by {}", order.service, field(slot->order.name));
  const auto texts = read_texts(order);
  if (!texts) return tl::unexpected<Error>(texts.error());
  Service service;
  service.order = order;
  service.plan = {texts->command,
                  texts->env,
                  field(order.user),
                  field(order.workdir),
                  field(order.output),
                  {order.intercepts, order.intercepts + order.intercept_count},
                  order.no_address_randomisation == 0};
  if (!service.plan.command.empty()) service.plan.command[0] = find_program(service.plan.command[0]);
  return set_new(order, std::move(service));
}

Status Services::set_new(const skep_service_order& order, Service service) {
  const auto netns = network_namespace(static_cast<pid_t>(order.adopt_pid));
  if (!netns) return tl::unexpected<Error>(netns.error());
  const auto mark = kernel_.open_service(order.service, ports_of(order), *netns, order.reads_data_alone != 0);
  if (!mark) return tl::unexpected<Error>(mark.error());
  service.mark = *mark;
  service.state.service = order.service;
  const auto texts = read_texts(order);
  Status stands = kernel_.set_outgoing(order.service, order.outgoing);
  if (stands) stands = allow_programs(service, texts->group_files);
  if (stands) stands = order.argc > 0 ? start(service) : adopt(service);
  if (!stands) {
    [[maybe_unused]] const auto closed = kernel_.close_service(order.service);
    return stands;
  }
  if (order.argc > 0 && !sealed_) sealed_orders_.push_back(order);
  tell(service);
  slots_[order.service] = std::move(service);
  return {};
}

Status Services::change(Service& service, const skep_service_order& order) {
  const auto texts = read_texts(order);
  if (!texts) return tl::unexpected<Error>(texts.error());
  if (auto set = kernel_.set_ports(order.service, ports_of(order)); !set) return set;
  if (auto forgotten = kernel_.forget_programs(order.service); !forgotten) return forgotten;
  service.order = order;
  return allow_programs(service, texts->group_files);
}

Status Services::allow_programs(const Service& service, const std::vector<std::string>& group_files) {
  if (!service.plan.command.empty()) {
    const auto own = file_id(service.plan.command[0]);
    if (!own) return tl::unexpected<Error>(own.error());
    if (auto allowed = kernel_.allow_program(service.mark.slot, *own, SKEP_PROGRAM_OWN); !allowed) return allowed;
  } else if (service.order.adopt_pid > 0) {
    const auto own = file_id(fmt::format("/proc/{}/exe", service.order.adopt_pid));
    if (!own) return tl::unexpected<Error>(own.error());
    if (auto allowed = kernel_.allow_program(service.mark.slot, *own, SKEP_PROGRAM_OWN); !allowed) return allowed;
  }
  const auto groups = read_groups(group_files);
  if (!groups) return tl::unexpected<Error>(groups.error());
  for (const AppGroupFiles& group : *groups) {
    if (auto allowed = allow_group(service, group); !allowed) return allowed;
  }
  return {};
}

// A program that another group allows to anybody stays so.
Status Services::allow_group(const Service& service, const AppGroupFiles& group) {
  const uint32_t slot = service.mark.slot;
  for (const uint64_t program : group.programs) {
    const auto kind = group.parents.empty() ? SKEP_PROGRAM_GROUP : SKEP_PROGRAM_OF_PARENTS;
    if (auto allowed = kernel_.allow_program(slot, program, kind); !allowed) return allowed;
    for (const uint64_t parent : group.parents) {
      if (auto allowed = kernel_.allow_parent(slot, program, parent); !allowed) return allowed;
    }
  }
  return {};
}

Status Services::start(Service& service) {
  const auto prepare = [&](pid_t pid) -> Status {
    if (auto moved = group_.add(pid); !moved) return moved;
    const auto marked = kernel_.mark(pid, service.mark, SKEP_TASK_LAUNCHING);
    if (!marked) return tl::unexpected<Error>(marked.error());
    if (!*marked) return fail("the launcher could not be marked");
    return {};
  };
  const auto pid = launch(service.plan, prepare, [&](Fd notices) { return notifier_.serve(std::move(notices)); });
  if (!pid) return wrap("start service " + field(service.order.name), pid);
  service.started_ns = now_monotonic_ns();
  service.restart_at_ns.reset();
  service.state.phase = SKEP_SERVICE_RUNNING;
  service.state.pid = static_cast<uint32_t>(*pid);
  service.state.enforces = 1;
  log::info("service {} runs as pid {}", field(service.order.name), *pid);
  return {};
}

// Marks all threads until a round finds none that is new: children of marked ones are marked by the kernel, so that the
// rounds come to an end however the service forks meanwhile.
Status Services::adopt(Service& service) {
  std::vector<pid_t> before;
  for (int round = 0; round < kAdoptRounds; ++round) {
    std::vector<pid_t> threads;
    if (service.order.adopt_pid > 0) {
      threads = threads_below(static_cast<pid_t>(service.order.adopt_pid));
    } else {
      auto listed = threads_of_cgroup(field(service.order.cgroup));
      if (!listed) return tl::unexpected<Error>(listed.error());
      threads = std::move(*listed);
    }
    if (threads.empty()) return fail("{}: nothing to adopt: no such process", field(service.order.name));
    for (const pid_t tid : threads) {
      if (auto marked = kernel_.mark(tid, service.mark, 0); !marked) return tl::unexpected<Error>(marked.error());
    }
    std::sort(threads.begin(), threads.end());
    if (threads == before) break;
    before = std::move(threads);
  }
  service.state.phase = SKEP_SERVICE_RUNNING;
  service.state.pid = service.order.adopt_pid;
  service.state.enforces = 0;
  log::info("service {} adopted with {} threads", field(service.order.name), before.size());
  return {};
}

Status Services::remove(const std::string& name) {
  for (auto& slot : slots_) {
    if (!slot || field(slot->order.name) != name) continue;
    if (auto closed = kernel_.close_service(slot->mark.slot); !closed) return closed;
    slot->state.phase = SKEP_SERVICE_REMOVED;
    tell(*slot);
    slot.reset();
    log::info("service {} is not supervised any more", name);
    return {};
  }
  return fail("no service named '{}'", name);
}

bool Services::ended(pid_t pid, int status, int64_t now_ns) {
  for (auto& slot : slots_) {
    if (!slot || slot->plan.command.empty() || slot->state.pid != static_cast<uint32_t>(pid)) continue;
    if (slot->state.phase != SKEP_SERVICE_RUNNING) continue;
    const bool settled = now_ns - slot->started_ns >= kSettled;
    slot->pause_ns = settled || slot->pause_ns == 0 ? kSecond : std::min(slot->pause_ns * 2, kPauseMax);
    slot->restart_at_ns = now_ns + slot->pause_ns;
    slot->state.phase = SKEP_SERVICE_ENDED;
    slot->state.status = static_cast<uint32_t>(status);
    tell(*slot);
    log::warning("service {} has ended (wait status {:#x}): it is started again in {} s", field(slot->order.name),
                 status, slot->pause_ns / kSecond);
    return true;
  }
  return false;
}

std::optional<int64_t> Services::restart_due(int64_t now_ns) {
  std::optional<int64_t> next;
  for (auto& slot : slots_) {
    if (!slot || !slot->restart_at_ns) continue;
    if (*slot->restart_at_ns <= now_ns) {
      slot->state.restarts += 1;
      if (auto started = start(*slot); !started) {
        log::error("{}", started.error().message);
        slot->pause_ns = std::min(slot->pause_ns * 2, kPauseMax);
        slot->restart_at_ns = now_ns + slot->pause_ns;
      }
      tell(*slot);
    }
    if (slot->restart_at_ns && (!next || *slot->restart_at_ns < *next)) next = slot->restart_at_ns;
  }
  return next;
}

std::vector<skep_service_state> Services::take_changes() {
  return std::exchange(changes_, {});
}

std::vector<skep_service_state> Services::all_states() const {
  std::vector<skep_service_state> states;
  for (const auto& slot : slots_) {
    if (slot) states.push_back(slot->state);
  }
  return states;
}

}  // namespace skep::watch
