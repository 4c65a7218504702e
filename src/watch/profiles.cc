#include "watch/profiles.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "watch/programs.h"

namespace skep::watch {
namespace {

Status check_bounds(const skep_profile_order& order) {
  if (order.service >= SKEP_SERVICES_MAX) return fail("service slot {} of {}", order.service, int{SKEP_SERVICES_MAX});
  if (order.mode > SKEP_PROFILE_HELD) return fail("no mode {} of a profile", order.mode);
  if (order.count > SKEP_PROFILE_BATCH) return fail("more than {} entries in a part", int{SKEP_PROFILE_BATCH});
  if (order.count > 0 && order.mode != SKEP_PROFILE_HELD) return fail("only a profile that is held has entries");
  for (const skep_profile_entry& entry : order.entries) {
    if (std::memchr(entry.path, 0, sizeof entry.path) == nullptr) return fail("a path without an end");
  }
  return {};
}

bool is_of_file(uint32_t kind) {
  return kind == SKEP_PROFILE_PROGRAM || kind == SKEP_PROFILE_FILE_READ;
}

bool is_of_folder(uint32_t kind) {
  return kind == SKEP_PROFILE_FOLDER_WRITTEN || kind == SKEP_PROFILE_FOLDER_READ || kind == SKEP_PROFILE_TREE_WRITTEN;
}

}  // namespace

Status Profiles::take(const skep_profile_order& order) {
  if (auto within = check_bounds(order); !within) return within;
  if (order.begins != 0) {
    coming_ = {};
    slot_ = order.service;
  }
  if (order.service != slot_) return fail("a profile's part without its beginning");
  for (uint32_t i = 0; i < order.count; ++i) {
    if (auto added = add(order.entries[i]); !added) return added;
  }
  if (order.ends == 0) return {};
  KernelProfile whole = std::exchange(coming_, {});
  whole.mode = static_cast<skep_profile_mode>(order.mode);
  return kernel_.set_profile(std::exchange(slot_, uint32_t{SKEP_SERVICES_MAX}), whole);
}

Status Profiles::add(const skep_profile_entry& entry) {
  if (entry.kind == SKEP_PROFILE_CALL) {
    if (entry.key >= SKEP_CALLS_MAX) return fail("a call of number {}", entry.key);
    coming_.calls.bits[entry.key / 64] |= uint64_t{1} << entry.key % 64;
    return {};
  }
  if (coming_.keys.size() >= SKEP_PROFILE_ENTRIES_MAX)
    return fail("a profile has at most {} entries", int{SKEP_PROFILE_ENTRIES_MAX});
  skep_profile_key key{entry.key, slot_, entry.kind};
  if (is_of_file(entry.kind) || is_of_folder(entry.kind)) {
    const auto folder = file_id(entry.path);
    if (!folder) {
      log::warning("a folder of a profile is not there, and left out: {}", folder.error().message);
      return {};
    }
    key.key = is_of_file(entry.kind) ? skep_profile_file(*folder, entry.key) : *folder;
  } else if (entry.kind != SKEP_PROFILE_PORT && entry.kind != SKEP_PROFILE_PEER) {
    return fail("no kind {} of a profile's entry", entry.kind);
  }
  coming_.keys.push_back(key);
  return {};
}

}  // namespace skep::watch
