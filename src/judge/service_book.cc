#include "judge/service_book.h"

#include <algorithm>
#include <cstring>

#include "match/intercepts.h"

namespace skep::judge {
namespace {

// `add` has taken no service whose calls cannot be intercepted.
std::vector<uint16_t> calls_of(const formats::MonitoredService& service) {
  return match::intercepts_of(service.intercept).value();
}

template <size_t N>
Status put(char (&to)[N], const std::string& text, std::string_view what) {
  if (text.size() >= N) return fail("{}: longer than {} characters", what, N - 1);
  std::memcpy(to, text.c_str(), text.size() + 1);
  return {};
}

Status append(skep_service_order& order, const std::string& text) {
  if (text.find('\0') != std::string::npos || order.texts_bytes + text.size() + 1 > sizeof order.texts) {
    return fail("command, env and programs together: longer than {} bytes", sizeof order.texts);
  }
  std::memcpy(order.texts + order.texts_bytes, text.c_str(), text.size() + 1);
  order.texts_bytes += static_cast<uint32_t>(text.size() + 1);
  return {};
}

}  // namespace

Result<uint32_t> ServiceBook::add(const formats::MonitoredService& service) {
  for (const Entry& entry : entries_) {
    if (entry.options.name == service.name) return fail("a service named '{}' is there already", service.name);
  }
  if (const auto calls = match::intercepts_of(service.intercept); !calls) return wrap(service.name, calls);
  uint32_t slot = 0;
  while (find(slot) != nullptr) ++slot;
  if (slot >= SKEP_SERVICES_MAX) return fail("{} services are the most", int{SKEP_SERVICES_MAX});
  entries_.push_back({service, slot, {}});
  return slot;
}

bool ServiceBook::remove(const std::string& name) {
  return std::erase_if(entries_, [&](const Entry& entry) { return entry.options.name == name; }) > 0;
}

void ServiceBook::note(const skep_service_state& state) {
  for (Entry& entry : entries_) {
    if (entry.slot == state.service) entry.state = state;
  }
}

const ServiceBook::Entry* ServiceBook::find(uint32_t slot) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.slot == slot; });
  return found == entries_.end() ? nullptr : &*found;
}

std::string ServiceBook::name_of(uint32_t slot) const {
  const Entry* entry = find(slot);
  return entry == nullptr ? "" : entry->options.name;
}

Result<skep_service_order> ServiceBook::order_for(uint32_t slot) const {
  const Entry* entry = find(slot);
  if (entry == nullptr) return fail("no service in slot {}", slot);
  const formats::MonitoredService& service = entry->options;
  skep_service_order order{};
  order.service = slot;
  order.adopt_pid = service.pid;
  order.port_count = static_cast<uint32_t>(std::min<size_t>(service.ports.size(), SKEP_PORTS_MAX));
  std::copy_n(service.ports.begin(), order.port_count, order.ports);
  const auto calls = calls_of(service);
  order.intercept_count = static_cast<uint32_t>(calls.size());
  std::copy_n(calls.begin(), order.intercept_count, order.intercepts);
  order.no_address_randomisation = service.address_randomisation ? 0 : 1;
  order.reads_data_alone = service.interprets ? 0 : 1;
  const auto outgoing = formats::outgoing_rules(service.outgoing, fence_);
  if (!outgoing) return wrap(service.name, outgoing);
  order.outgoing = *outgoing;
  Status status = put(order.name, service.name, "name");
  if (status) status = put(order.user, service.user, "user");
  if (status) status = put(order.workdir, service.workdir, "workdir");
  if (status) status = put(order.output, service.output, "output");
  if (status) status = put(order.cgroup, service.cgroup, "cgroup");
  std::vector<std::string> programs;
  for (const formats::AppGroup& group : groups_) {
    const bool wanted =
        std::find(service.app_groups.begin(), service.app_groups.end(), group.name) != service.app_groups.end();
    if (!wanted) continue;
    for (const auto* files : {&group.programs, &group.parents}) {
      programs.insert(programs.end(), files->begin(), files->end());
      programs.emplace_back();
    }
  }
  order.argc = static_cast<uint32_t>(service.command.size());
  order.envc = static_cast<uint32_t>(service.env.size());
  order.group_file_count = static_cast<uint32_t>(programs.size());
  for (const auto* texts : {&service.command, &service.env, static_cast<const std::vector<std::string>*>(&programs)}) {
    for (const std::string& text : *texts) {
      if (status) status = append(order, text);
    }
  }
  if (!status) return wrap(service.name, status);
  return order;
}

std::vector<match::CompiledService> ServiceBook::compiled() const {
  std::vector<match::CompiledService> services;
  for (const Entry& entry : entries_) {
    const bool launched = !entry.options.command.empty();
    services.push_back(
        {entry.options.name, entry.slot, launched, launched ? calls_of(entry.options) : std::vector<uint16_t>{}});
  }
  return services;
}

}  // namespace skep::judge
