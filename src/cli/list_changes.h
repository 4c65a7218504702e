// What is news in a list of sessions that is asked for again and again: one that was not there, one whose class has
// changed. Pure. Memory: the sessions of the last seconds, and those that are tagged.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "archive/summary.h"

namespace skep::cli {

class ListChanges {
 public:
  // So far back a session may begin that the list did not show yet: rows come to the index in batches, of several
  // shards.
  static constexpr int64_t kLateNs = 3'000'000'000;

  explicit ListChanges(int64_t now_ns) : newest_ns_(now_ns) {}

  bool is_news(const archive::SessionSummary& row) {
    newest_ns_ = std::max(newest_ns_, start_ns(row.id));
    const auto [told, added] = told_.try_emplace(row.id.value, row.session_class);
    return std::exchange(told->second, row.session_class) != row.session_class || added;
  }
  // Ids up to this one need not be asked for again, but for those that are tagged.
  uint64_t recent_after() const { return make_session_id(newest_ns_ - kLateNs, 0).value; }
  // Those are told of again only where they are tagged by then, and that is news.
  void forget_old() {
    std::erase_if(told_, [after = recent_after()](const auto& item) {
      return item.first <= after && item.second < SessionClass::suspect;
    });
  }
  size_t remembered() const { return told_.size(); }

 private:
  int64_t newest_ns_;
  std::map<uint64_t, SessionClass> told_;
};

}  // namespace skep::cli
