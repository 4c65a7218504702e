#include "judge/profiles.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/log.h"
#include "match/syscalls.h"

namespace skep::judge {
namespace {

constexpr std::string_view kBelow = "/**";

// `path` fits: parse_profile_file has seen to it.
skep_profile_entry entry_of(uint32_t kind, uint64_t key, const std::string& path = "") {
  skep_profile_entry entry{};
  entry.kind = kind;
  entry.key = key;
  std::memcpy(entry.path, path.data(), std::min(path.size(), sizeof entry.path - 1));
  return entry;
}

skep_profile_entry file_entry(uint32_t kind, const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = path.substr(slash + 1);
  return entry_of(kind, skep_name_hash(name.data(), static_cast<uint32_t>(name.size())),
                  slash == 0 ? "/" : path.substr(0, slash));
}

skep_profile_entry written_entry(const std::string& path) {
  if (!path.ends_with(kBelow)) return entry_of(SKEP_PROFILE_FOLDER_WRITTEN, 0, path);
  const std::string folder = path.substr(0, path.size() - kBelow.size());
  return entry_of(SKEP_PROFILE_TREE_WRITTEN, 0, folder.empty() ? "/" : folder);
}

skep_profile_entry peer_entry(const Endpoint& peer) {
  uint64_t halves[2];
  std::memcpy(halves, peer.address.data(), sizeof halves);
  return entry_of(SKEP_PROFILE_PEER, skep_profile_peer(halves[0], halves[1]));
}

}  // namespace

Result<std::vector<skep_profile_entry>> profile_entries(const formats::ServiceProfile& profile) {
  std::vector<skep_profile_entry> entries;
  for (const std::string& path : profile.programs) entries.push_back(file_entry(SKEP_PROFILE_PROGRAM, path));
  for (const std::string& path : profile.files_read) entries.push_back(file_entry(SKEP_PROFILE_FILE_READ, path));
  for (const std::string& path : profile.folders_read) entries.push_back(entry_of(SKEP_PROFILE_FOLDER_READ, 0, path));
  for (const std::string& path : profile.folders_written) entries.push_back(written_entry(path));
  for (const uint16_t port : profile.ports) entries.push_back(entry_of(SKEP_PROFILE_PORT, port));
  for (const Endpoint& peer : profile.peers) entries.push_back(peer_entry(peer));
  for (const std::string& name : profile.calls) {
    const auto number = match::call_number(name);
    if (!number) {
      const std::string_view near = match::nearest_call(name);
      return fail("calls: no call is named '{}'{}", name,
                  near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
    }
    entries.push_back(entry_of(SKEP_PROFILE_CALL, skep_canonical_call(*number)));
  }
  return entries;
}

Result<uint32_t> Profiles::slot_of(const std::string& service) const {
  for (const ServiceBook::Entry& entry : services_.entries()) {
    if (entry.options.name == service) return entry.slot;
  }
  return fail("no service is named '{}' (`skep hids services list`)", service);
}

Status Profiles::send(uint32_t slot, skep_profile_mode mode, const std::vector<skep_profile_entry>& entries) {
  size_t at = 0;
  do {
    skep_profile_order order{};
    order.service = slot;
    order.mode = mode;
    order.begins = at == 0 ? 1 : 0;
    order.count = static_cast<uint32_t>(std::min<size_t>(entries.size() - at, SKEP_PROFILE_BATCH));
    std::copy_n(entries.begin() + static_cast<std::ptrdiff_t>(at), order.count, order.entries);
    at += order.count;
    order.ends = at == entries.size() ? 1 : 0;
    if (auto set = watch_.set_profile(order); !set) return set;
  } while (at < entries.size());
  return {};
}

Status Profiles::begin(const std::vector<formats::ServiceProfile>& held) {
  for (const ServiceBook::Entry& entry : services_.entries()) {
    if (auto none = send(entry.slot, SKEP_PROFILE_NONE, {}); !none) return none;
  }
  for (const formats::ServiceProfile& profile : held) {
    if (auto set = hold(profile.service, profile); !set) return wrap("the profile of " + profile.service, set);
  }
  return {};
}

Status Profiles::start(const std::string& service, int64_t span_ns) {
  const auto slot = slot_of(service);
  if (!slot) return tl::unexpected<Error>(slot.error());
  if (state_of(service) == "learning") return fail("{} is being learned already", service);
  if (state_of(service) == "held")
    return fail("{} is held to a profile: `skep hids profile remove {}` first", service, service);
  if (auto sent = send(*slot, SKEP_PROFILE_LEARNING, {}); !sent) return sent;
  const int64_t until_ns = span_ns > 0 ? now_monotonic_ns() + span_ns : 0;
  entries_[service] = {SKEP_PROFILE_LEARNING, Learned(now_realtime_ns()), until_ns, 0};
  return {};
}

Status Profiles::end_learning(const std::string& service, Entry& entry) {
  const auto slot = slot_of(service);
  if (!slot) return tl::unexpected<Error>(slot.error());
  if (auto sent = send(*slot, SKEP_PROFILE_NONE, {}); !sent) return sent;
  entry.mode = SKEP_PROFILE_NONE;
  entry.ended_ns = now_realtime_ns();
  return {};
}

Result<formats::ServiceProfile> Profiles::stop(const std::string& service, const std::function<void()>& drain) {
  if (const auto slot = slot_of(service); !slot) return tl::unexpected<Error>(slot.error());
  const auto found = entries_.find(service);
  if (found == entries_.end() || found->second.mode == SKEP_PROFILE_HELD)
    return fail("{} is not being learned: `skep hids learn {} --start`", service, service);
  if (found->second.mode == SKEP_PROFILE_LEARNING) {
    if (auto ended = end_learning(service, found->second); !ended) return tl::unexpected<Error>(ended.error());
  }
  drain();
  formats::ServiceProfile profile = found->second.learned.profile(service, found->second.ended_ns);
  entries_.erase(found);
  return profile;
}

Status Profiles::hold(const std::string& service, const formats::ServiceProfile& profile) {
  const auto slot = slot_of(service);
  if (!slot) return tl::unexpected<Error>(slot.error());
  if (state_of(service) == "learning")
    return fail("{} is being learned: `skep hids learn {} --stop` first", service, service);
  if (profile.service != service) return fail("it is the profile of '{}', not of '{}'", profile.service, service);
  const auto entries = profile_entries(profile);
  if (!entries) return tl::unexpected<Error>(entries.error());
  if (auto sent = send(*slot, SKEP_PROFILE_HELD, *entries); !sent) return sent;
  entries_[service] = {SKEP_PROFILE_HELD, Learned(), 0, 0};
  return {};
}

Status Profiles::remove(const std::string& service) {
  const auto slot = slot_of(service);
  if (!slot) return tl::unexpected<Error>(slot.error());
  if (state_of(service) != "held") return fail("{} is held to no profile", service);
  if (auto sent = send(*slot, SKEP_PROFILE_NONE, {}); !sent) return sent;
  entries_.erase(service);
  return {};
}

void Profiles::take(ByteView bytes) {
  skep_record head{};
  if (entries_.empty() || bytes.size() < sizeof head) return;
  std::memcpy(&head, bytes.data(), sizeof head);
  const auto learning = [this](uint32_t slot) -> Learned* {
    const auto found = entries_.find(services_.name_of(slot));
    return found != entries_.end() && found->second.mode != SKEP_PROFILE_HELD ? &found->second.learned : nullptr;
  };
  if (head.type == SKEP_FIRST_SEEN && bytes.size() == sizeof(skep_first_seen_record)) {
    const auto& record = *reinterpret_cast<const skep_first_seen_record*>(bytes.data());
    if (Learned* const learned = learning(record.service)) learned->take(record);
  } else if (head.type == SKEP_FLOW_OPENED && bytes.size() == sizeof(skep_flow_record)) {
    const auto& record = *reinterpret_cast<const skep_flow_record*>(bytes.data());
    if (Learned* const learned = learning(record.flow.service)) learned->session();
  }
}

void Profiles::lost(uint64_t records) {
  for (auto& [service, entry] : entries_) {
    if (entry.mode == SKEP_PROFILE_LEARNING) entry.learned.incomplete(records);
  }
}

void Profiles::step(int64_t now_ns) {
  for (auto& [service, entry] : entries_) {
    if (entry.mode != SKEP_PROFILE_LEARNING || entry.until_ns == 0 || now_ns < entry.until_ns) continue;
    if (auto ended = end_learning(service, entry); !ended) {
      log::error("the learning of {} could not be ended: {}", service, ended.error().message);
      entry.until_ns = 0;
    } else {
      log::info("{} has been learned for its time: `skep hids learn {} --stop` fetches its profile", service, service);
    }
  }
}

std::string_view Profiles::state_of(const std::string& service) const {
  const auto found = entries_.find(service);
  if (found == entries_.end()) return "none";
  return found->second.mode == SKEP_PROFILE_LEARNING ? "learning"
         : found->second.mode == SKEP_PROFILE_HELD   ? "held"
                                                     : "learned";
}

}  // namespace skep::judge
