#include "watch/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
// The skeleton is generated C: it names the structs above and knows nothing of our warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include "watch/supervisor.skel.h"
#pragma GCC diagnostic pop

namespace skep::watch {
namespace {

constexpr uint32_t kZero = 0;

int log_libbpf(libbpf_print_level level, const char* format, va_list args) {
  if (level != LIBBPF_WARN) return 0;
  char line[1024];
  std::vsnprintf(line, sizeof line, format, args);
  log::warning("libbpf: {}", std::string_view(line).substr(0, std::strcspn(line, "\n")));
  return 0;
}

template <typename Record>
Status read_iterator(bpf_link* link, const std::function<void(const skep_record*)>& tell) {
  const Fd iterator(bpf_iter_create(bpf_link__fd(link)));
  if (!iterator) return fail_errno("start a kernel iterator");
  Record record;
  size_t filled = 0;
  while (true) {
    const ssize_t got = ::read(iterator.get(), reinterpret_cast<char*>(&record) + filled, sizeof record - filled);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return fail_errno("read a kernel iterator");
    if (got == 0) return {};
    filled += static_cast<size_t>(got);
    if (filled < sizeof record) continue;
    tell(&record.head);
    filled = 0;
  }
}

CallBits followed_calls() {
  CallBits bits{};
  for (uint32_t nr = 0; nr < SKEP_CALLS_MAX; ++nr) {
    if (skep_followed_as(nr) != SKEP_FOLLOW_NONE) bits[nr / 64] |= uint64_t{1} << nr % 64;
  }
  return bits;
}

// Those that look at profiles. On a host without one they are not even loaded: to verify them is a third of a start.
bool is_of_profiles(const bpf_program* program) {
  return std::string_view(bpf_program__name(program)).starts_with("profile_");
}

void choose(const supervisor& programs, bool profiles) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, programs.obj) {
    bpf_program__set_autoload(program, is_of_profiles(program) == profiles);
  }
}

// Whatever `of` remembers, `programs` looks at and changes as well: they are the same object, opened twice.
Status share_maps(const supervisor& programs, const supervisor& of) {
  bpf_map* ours = nullptr;
  bpf_object__for_each_map(ours, programs.obj) {
    const bpf_map* theirs = bpf_object__find_map_by_name(of.obj, bpf_map__name(ours));
    if (theirs == nullptr || bpf_map__reuse_fd(ours, bpf_map__fd(theirs)) != 0)
      return fail_errno(std::string("share the map ") + bpf_map__name(ours));
  }
  return {};
}

// All of one service in a map of several.
template <typename Key>
void forget_keys(int map, uint32_t slot) {
  std::vector<Key> mine;
  Key key{};
  const void* previous = nullptr;
  while (bpf_map_get_next_key(map, previous, &key) == 0) {
    if (key.service == slot) mine.push_back(key);
    previous = &key;
  }
  for (const Key& each : mine) bpf_map_delete_elem(map, &each);
}

}  // namespace

Result<std::unique_ptr<Kernel>> Kernel::load(const std::string& cgroup_root, bool follow) {
  libbpf_set_print(log_libbpf);
  std::unique_ptr<Kernel> kernel(new Kernel());
  constexpr char kFailed[] = "load the kernel programs (`skep doctor` says what is missing)";
  kernel->programs_ = supervisor__open();
  if (kernel->programs_ == nullptr) return fail_errno(kFailed);
  const auto now = static_cast<uint64_t>(now_realtime_ns());
  kernel->programs_->bss->last_flow_serial = now;
  kernel->programs_->bss->last_alert = now;
  kernel->programs_->rodata->follows_work = follow;
  choose(*kernel->programs_, false);
  if (supervisor__load(kernel->programs_) != 0) return fail_errno(kFailed);
  if (auto attached = kernel->attach(cgroup_root); !attached) return wrap("attach the kernel programs", attached);
  if (follow) kernel->followed_ = followed_calls();
  if (auto widened = kernel->widen({}); !widened) return tl::unexpected<Error>(widened.error());
  return kernel;
}

Status Kernel::attach(const std::string& cgroup_root) {
  cgroup_ = Fd(::open(cgroup_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup_) return fail_errno("open " + cgroup_root);
  auto& progs = programs_->progs;
  bpf_program* const traced[] = {progs.on_socket_state, progs.on_receive, progs.on_send, progs.on_fork,
                                 progs.on_exec,         progs.on_signal,  progs.on_exit, progs.on_waking};
  for (bpf_program* program : traced) {
    bpf_link* link = bpf_program__attach(program);
    if (link == nullptr) return fail_errno(std::string("attach ") + bpf_program__name(program));
    links_.push_back(link);
  }
  bpf_program* const hooks[] = {progs.on_connect4, progs.on_connect6, progs.on_bind4,  progs.on_bind6,
                                progs.on_sendmsg4, progs.on_sendmsg6, progs.on_socket, progs.on_egress};
  for (bpf_program* program : hooks) {
    bpf_link* link = bpf_program__attach_cgroup(program, cgroup_.get());
    if (link == nullptr) return fail_errno(std::string("attach ") + bpf_program__name(program) + " to " + cgroup_root);
    links_.push_back(link);
  }
  process_iterator_ = bpf_program__attach_iter(progs.list_processes, nullptr);
  bpf_iter_link_info info{};
  info.map.map_fd = static_cast<uint32_t>(bpf_map__fd(programs_->maps.flows));
  LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof info);
  flow_iterator_ = bpf_program__attach_iter(progs.list_flows, &options);
  if (process_iterator_ == nullptr || flow_iterator_ == nullptr) return fail_errno("attach the iterators");
  return {};
}

Kernel::~Kernel() {
  for (bpf_link* link : profile_links_) bpf_link__destroy(link);
  for (bpf_link* link : links_) bpf_link__destroy(link);
  bpf_link__destroy(returns_);
  bpf_link__destroy(process_iterator_);
  bpf_link__destroy(flow_iterator_);
  if (profile_programs_ != nullptr) supervisor__destroy(profile_programs_);
  if (programs_ != nullptr) supervisor__destroy(programs_);
}

Status Kernel::set_table(const skep_table& table) {
  const TableNeeds needs = needs_of(table);
  if (auto widened = widen(needs); !widened) return widened;
  if (auto swapped = swap_table(table); !swapped) return swapped;
  narrow(needs);
  return {};
}

CallBits Kernel::watched(const TableNeeds& needs) const {
  CallBits bits = needs.returns;
  for (size_t i = 0; i < bits.size(); ++i) bits[i] |= followed_[i];
  return bits;
}

// Besides what the table in force wants.
Status Kernel::widen(const TableNeeds& needs) {
  auto& told = *programs_->bss;
  const CallBits watch = watched(needs);
  for (size_t i = 0; i < needs.fields.size(); ++i) std::atomic_ref(told.wanted_fields[i]).fetch_or(needs.fields[i]);
  for (size_t i = 0; i < needs.returns.size(); ++i) std::atomic_ref(told.judged_returns[i]).fetch_or(needs.returns[i]);
  for (size_t i = 0; i < watch.size(); ++i) std::atomic_ref(told.watched_returns[i]).fetch_or(watch[i]);
  if (returns_ != nullptr || watch == CallBits{}) return {};
  returns_ = bpf_program__attach(programs_->progs.on_return);
  if (returns_ == nullptr) return fail_errno("attach on_return");
  return {};
}

// No more than that.
void Kernel::narrow(const TableNeeds& needs) {
  auto& told = *programs_->bss;
  const CallBits watch = watched(needs);
  for (size_t i = 0; i < needs.fields.size(); ++i) std::atomic_ref(told.wanted_fields[i]).store(needs.fields[i]);
  for (size_t i = 0; i < needs.returns.size(); ++i) std::atomic_ref(told.judged_returns[i]).store(needs.returns[i]);
  for (size_t i = 0; i < watch.size(); ++i) std::atomic_ref(told.watched_returns[i]).store(watch[i]);
  if (watch == CallBits{}) bpf_link__destroy(std::exchange(returns_, nullptr));
}

Status Kernel::swap_table(const skep_table& table) {
  Fd fresh(bpf_map_create(BPF_MAP_TYPE_ARRAY, "skep_table", sizeof(uint32_t), sizeof table, 1, nullptr));
  if (!fresh) return fail_errno("make a map for the signature table");
  if (bpf_map_update_elem(fresh.get(), &kZero, &table, BPF_ANY) != 0) return fail_errno("fill the signature table");
  const int inner = fresh.get();
  if (bpf_map_update_elem(bpf_map__fd(programs_->maps.table), &kZero, &inner, BPF_ANY) != 0) {
    return fail_errno("put the signature table in force");
  }
  table_ = std::move(fresh);
  return {};
}

Result<ServiceMark> Kernel::open_service(uint32_t slot, const std::vector<uint16_t>& ports, uint32_t netns,
                                         bool reads_data_alone) {
  const int map = bpf_map__fd(programs_->maps.services);
  skep_service_entry entry{};
  if (bpf_map_lookup_elem(map, &slot, &entry) != 0) return fail_errno("look up a service slot");
  entry.active = 1;
  entry.epoch += 1;
  entry.netns = netns;
  entry.port_count = 0;
  entry.profile = SKEP_PROFILE_NONE;
  entry.reads_data_alone = reads_data_alone ? 1 : 0;
  if (bpf_map_update_elem(map, &slot, &entry, BPF_ANY) != 0) return fail_errno("set a service slot");
  if (auto cleared = clear_limits(slot); !cleared) return tl::unexpected<Error>(cleared.error());
  if (auto set = set_ports(slot, ports); !set) return wrap("service ports", set);
  return ServiceMark{slot, entry.epoch};
}

Status Kernel::set_ports(uint32_t slot, const std::vector<uint16_t>& ports) {
  const int map = bpf_map__fd(programs_->maps.services);
  const int port_map = bpf_map__fd(programs_->maps.service_ports);
  skep_service_entry entry{};
  if (bpf_map_lookup_elem(map, &slot, &entry) != 0) return fail_errno("look up a service slot");
  for (uint32_t i = 0; i < entry.port_count; ++i) {
    const skep_port_key key{entry.netns, entry.ports[i]};
    bpf_map_delete_elem(port_map, &key);
  }
  entry.port_count = 0;
  for (const uint16_t port : ports) {
    if (entry.port_count == std::size(entry.ports)) return fail("more than {} ports", std::size(entry.ports));
    entry.ports[entry.port_count++] = port;
    const skep_port_key key{entry.netns, port};
    if (bpf_map_update_elem(port_map, &key, &slot, BPF_NOEXIST) != 0) {
      if (errno == EEXIST) return fail("port {} belongs to another service already", port);
      return fail_errno("set a service port");
    }
  }
  if (bpf_map_update_elem(map, &slot, &entry, BPF_ANY) != 0) return fail_errno("set a service slot");
  return {};
}

Status Kernel::clear_limits(uint32_t slot) {
  const int map = bpf_map__fd(programs_->maps.let_go_times);
  const std::vector<uint8_t> nothing(bpf_map__value_size(programs_->maps.let_go_times));
  if (bpf_map_update_elem(map, &slot, nothing.data(), BPF_ANY) != 0) return fail_errno("clear a service's limits");
  return {};
}

Status Kernel::set_outgoing(uint32_t slot, const skep_outgoing& rules) {
  if (bpf_map_update_elem(bpf_map__fd(programs_->maps.outgoing), &slot, &rules, BPF_ANY) != 0)
    return fail_errno("set what a service may send");
  return {};
}

Status Kernel::close_service(uint32_t slot) {
  if (auto cleared = set_ports(slot, {}); !cleared) return cleared;
  if (auto forgotten = set_profile(slot, {}); !forgotten) return forgotten;
  const int map = bpf_map__fd(programs_->maps.services);
  skep_service_entry entry{};
  if (bpf_map_lookup_elem(map, &slot, &entry) != 0) return fail_errno("look up a service slot");
  entry.active = 0;
  if (bpf_map_update_elem(map, &slot, &entry, BPF_ANY) != 0) return fail_errno("close a service slot");
  return forget_programs(slot);
}

Status Kernel::allow_program(uint32_t slot, uint64_t file, skep_program_kind kind) {
  const skep_program_key key{file, slot, 0};
  const uint32_t value = kind;
  if (bpf_map_update_elem(bpf_map__fd(programs_->maps.programs), &key, &value, BPF_ANY) != 0) {
    return fail_errno("allow a program");
  }
  return {};
}

bool Kernel::is_allowed(uint32_t slot, uint64_t file) const {
  const skep_program_key key{file, slot, 0};
  uint32_t value = 0;
  return bpf_map_lookup_elem(bpf_map__fd(programs_->maps.programs), &key, &value) == 0;
}

Status Kernel::allow_parent(uint32_t slot, uint64_t file, uint64_t parent) {
  const skep_program_key key{skep_file_id(file, parent), slot, 1};
  const uint32_t value = SKEP_PROGRAM_GROUP;
  if (bpf_map_update_elem(bpf_map__fd(programs_->maps.programs), &key, &value, BPF_ANY) != 0)
    return fail_errno("allow a program to another");
  return {};
}

Status Kernel::forget_programs(uint32_t slot) {
  forget_keys<skep_program_key>(bpf_map__fd(programs_->maps.programs), slot);
  return {};
}

bool Kernel::is_written(uint64_t key) const {
  skep_label label{};
  return bpf_map_lookup_elem(bpf_map__fd(programs_->maps.written), &key, &label) == 0;
}

Status Kernel::set_profile(uint32_t slot, const KernelProfile& profile) {
  if (auto none = set_profile_mode(slot, SKEP_PROFILE_NONE); !none) return none;
  forget_keys<skep_profile_key>(bpf_map__fd(programs_->maps.profile_keys), slot);
  if (auto filled = fill_profile(slot, profile); !filled) return filled;
  if (profile.mode == SKEP_PROFILE_NONE) {
    profiled_ &= ~(uint64_t{1} << slot);
    if (profiled_ != 0) return {};
    for (bpf_link* link : std::exchange(profile_links_, {})) bpf_link__destroy(link);
    return {};
  }
  if (auto attached = attach_profiles(); !attached) return attached;
  profiled_ |= uint64_t{1} << slot;
  return set_profile_mode(slot, profile.mode);
}

Status Kernel::fill_profile(uint32_t slot, const KernelProfile& profile) {
  const uint32_t known = 1;
  for (const skep_profile_key& key : profile.keys) {
    if (bpf_map_update_elem(bpf_map__fd(programs_->maps.profile_keys), &key, &known, BPF_ANY) != 0)
      return fail_errno("fill a profile");
  }
  if (bpf_map_update_elem(bpf_map__fd(programs_->maps.known_calls), &slot, &profile.calls, BPF_ANY) != 0)
    return fail_errno("fill a profile's calls");
  return {};
}

Status Kernel::set_profile_mode(uint32_t slot, skep_profile_mode mode) {
  const int map = bpf_map__fd(programs_->maps.services);
  skep_service_entry entry{};
  if (bpf_map_lookup_elem(map, &slot, &entry) != 0) return fail_errno("look up a service slot");
  entry.profile = mode;
  if (bpf_map_update_elem(map, &slot, &entry, BPF_ANY) != 0) return fail_errno("set a profile's mode");
  return {};
}

Status Kernel::load_profiles() {
  constexpr char kFailed[] = "load the programs for profiles";
  supervisor* const programs = supervisor__open();
  if (programs == nullptr) return fail_errno(kFailed);
  choose(*programs, true);
  Status stands = share_maps(*programs, *programs_);
  if (stands && supervisor__load(programs) != 0) stands = fail_errno(kFailed);
  if (stands)
    profile_programs_ = programs;
  else
    supervisor__destroy(programs);
  return stands;
}

Status Kernel::attach_profiles() {
  if (!profile_links_.empty()) return {};
  if (profile_programs_ == nullptr) {
    if (auto loaded = load_profiles(); !loaded) return loaded;
  }
  auto& progs = profile_programs_->progs;
  bpf_program* const traced[] = {progs.profile_exec, progs.profile_return};
  bpf_program* const hooks[] = {progs.profile_connect4, progs.profile_connect6, progs.profile_sendmsg4,
                                progs.profile_sendmsg6};
  for (bpf_program* program : traced) profile_links_.push_back(bpf_program__attach(program));
  for (bpf_program* program : hooks) profile_links_.push_back(bpf_program__attach_cgroup(program, cgroup_.get()));
  if (std::find(profile_links_.begin(), profile_links_.end(), nullptr) == profile_links_.end()) return {};
  const auto failed = fail_errno("attach the programs for profiles");
  for (bpf_link* link : std::exchange(profile_links_, {})) bpf_link__destroy(link);
  return failed;
}

Result<bool> Kernel::mark(pid_t tid, ServiceMark service, uint32_t flags) {
  skep_mark request{};
  request.tid = static_cast<uint32_t>(tid);
  request.service = service.slot;
  request.epoch = service.epoch;
  request.flags = flags;
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &request, .ctx_size_in = sizeof request);
  if (bpf_prog_test_run_opts(bpf_program__fd(programs_->progs.mark), &options) != 0) return fail_errno("mark a task");
  return request.done == 1;
}

int Kernel::decide(const skep_notice& notice) const {
  skep_notice question = notice;
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &question, .ctx_size_in = sizeof question);
  // A question that the kernel cannot answer is refused: EPERM.
  if (bpf_prog_test_run_opts(bpf_program__fd(programs_->progs.decide), &options) != 0) return EPERM;
  return question.verdict;
}

int Kernel::alerts_ring() const {
  return bpf_map__fd(programs_->maps.alerts);
}
int Kernel::telemetry_ring() const {
  return bpf_map__fd(programs_->maps.telemetry);
}

Result<skep_counters> Kernel::counters() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return fail("how many CPUs: unknown");
  std::vector<skep_counters> each(static_cast<size_t>(cpus));
  if (bpf_map_lookup_elem(bpf_map__fd(programs_->maps.counters), &kZero, each.data()) != 0) {
    return fail_errno("read the kernel's counters");
  }
  // All fields are 64-bit counters: summed as the array that they are.
  skep_counters sum{};
  auto* const total = reinterpret_cast<uint64_t*>(&sum);
  for (const skep_counters& one : each) {
    const auto* const part = reinterpret_cast<const uint64_t*>(&one);
    for (size_t i = 0; i < sizeof sum / sizeof(uint64_t); ++i) total[i] += part[i];
  }
  return sum;
}

Status Kernel::list_processes(const std::function<void(const skep_process_record&)>& tell) const {
  return read_iterator<skep_process_record>(process_iterator_, [&](const skep_record* record) {
    tell(*reinterpret_cast<const skep_process_record*>(record));
  });
}

Status Kernel::snapshot(const std::function<void(const skep_record*)>& tell) const {
  if (auto told = read_iterator<skep_process_record>(process_iterator_, tell); !told) return told;
  return read_iterator<skep_flow_record>(flow_iterator_, tell);
}

}  // namespace skep::watch
