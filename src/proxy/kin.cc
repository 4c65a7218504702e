#include "proxy/kin.h"

namespace skep::proxy {

void Kin::opened(size_t service, const Endpoint& source, SessionId session) {
  families_[{service, source.address}].live.push_back(session);
}

void Kin::ended(size_t service, const Endpoint& source, SessionId session, int64_t now_ns) {
  const Key key{service, source.address};
  const auto found = families_.find(key);
  if (found == families_.end() || std::erase(found->second.live, session) == 0) return;
  found->second.ended = Ended{session, now_ns};
  ended_order_.emplace_back(key, session);
  if (ended_order_.size() <= kEndedMax) return;
  forget(ended_order_.front().first, ended_order_.front().second);
  ended_order_.pop_front();
}

void Kin::forget(const Key& key, SessionId session) {
  const auto found = families_.find(key);
  if (found == families_.end()) return;
  Family& family = found->second;
  if (family.ended && family.ended->session == session) family.ended.reset();
  if (!family.ended && family.live.empty()) families_.erase(found);
}

std::optional<SessionId> Kin::parent(size_t service, const Endpoint& source, int64_t now_ns) const {
  const auto found = families_.find({service, source.address});
  if (found == families_.end()) return std::nullopt;
  const Family& family = found->second;
  if (!family.live.empty()) return family.live.back();
  if (!family.ended || now_ns - family.ended->at_ns > kAfterEndNs) return std::nullopt;
  return family.ended->session;
}

}  // namespace skep::proxy
