#include "proxy/guests.h"

#include "formats/event_codec.h"

namespace skep::proxy {
namespace {

bool may_have_missed(formats::NoteKind kind) {
  using formats::NoteKind;
  return kind == NoteKind::unsupervised || kind == NoteKind::monitor_flooding || kind == NoteKind::kernel_lost;
}

void keep(Guests::Guest& guest, const Alert& alert) {
  Bytes bytes = formats::encode(alert);
  if (guest.alerts.size() >= Guests::kAlertsMax || guest.alert_bytes + bytes.size() > Guests::kAlertBytesMax) {
    ++guest.more_alerts;
    return;
  }
  guest.alert_bytes += bytes.size();
  guest.alerts.push_back(std::move(bytes));
}

}  // namespace

std::optional<SessionId> Guests::open(size_t bait, int64_t now_ns) {
  if (guests_.size() >= kGuestsMax) return std::nullopt;
  const SessionId id{next_};
  next_ = (next_ + 1) % kGuestIdsEnd;
  Guest& guest = guests_[id];
  guest.bait = bait;
  guest.asked_ns = now_ns;
  return id;
}

void Guests::told(SessionId guest, const decltype(Word::what)& what) {
  const auto found = guests_.find(guest);
  if (found == guests_.end()) return;
  if (const auto* alert = std::get_if<Alert>(&what)) {
    keep(found->second, *alert);
  } else if (const auto* served = std::get_if<formats::ServedEvent>(&what)) {
    found->second.served_by_pid = served->pid;
  } else if (const auto* note = std::get_if<formats::NoteEvent>(&what)) {
    if (may_have_missed(note->kind)) found->second.supervised = false;
  }
}

const Guests::Guest* Guests::asked(SessionId guest, int64_t now_ns) {
  const auto found = guests_.find(guest);
  if (found == guests_.end()) return nullptr;
  found->second.asked_ns = now_ns;
  return &found->second;
}

std::optional<size_t> Guests::close(SessionId guest) {
  const auto found = guests_.find(guest);
  if (found == guests_.end()) return std::nullopt;
  const size_t bait = found->second.bait;
  guests_.erase(found);
  return bait;
}

std::vector<std::pair<SessionId, size_t>> Guests::take_forgotten(int64_t now_ns) {
  std::vector<std::pair<SessionId, size_t>> forgotten;
  std::erase_if(guests_, [&](const auto& item) {
    if (now_ns - item.second.asked_ns < kPatienceNs) return false;
    forgotten.emplace_back(item.first, item.second.bait);
    return true;
  });
  return forgotten;
}

}  // namespace skep::proxy
