#include "cli/session_follow.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "base/clock.h"
#include "cli/list_changes.h"
#include "cli/session_text.h"
#include "view/record_words.h"

namespace skep::cli {
namespace {

constexpr int kSessionPauseMs = 50;
constexpr int kListPauseMs = 200;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kDay = 86'400 * kSecond;
constexpr size_t kRowsMax = 100'000;

volatile std::sig_atomic_t told_to_stop = 0;

// While it lives, the two signals end the following, not the program.
class StopSignals {
 public:
  StopSignals() {
    struct sigaction stop {};
    stop.sa_handler = [](int) { told_to_stop = 1; };
    ::sigaction(SIGINT, &stop, &before_[0]);
    ::sigaction(SIGTERM, &stop, &before_[1]);
  }
  ~StopSignals() {
    ::sigaction(SIGINT, &before_[0], nullptr);
    ::sigaction(SIGTERM, &before_[1], nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  struct sigaction before_[2]{};
};

// False: it is time to stop: told so, or nobody reads any more.
bool pause(int pause_ms) {
  if (std::fflush(stdout) != 0) return false;
  pollfd output{STDOUT_FILENO, 0, 0};
  if (told_to_stop == 0 && ::poll(&output, 1, pause_ms) > 0) return false;
  return told_to_stop == 0;
}

bool print(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && told_to_stop == 0;
}

bool tell(const formats::Record& record, FollowForm form) {
  if (form == FollowForm::text) return print(view::record_text(record));
  if (form == FollowForm::json) {
    JsonWriter json;
    view::record_json(json, record);
    return print(json.take() + "\n");
  }
  const Direction wanted = form == FollowForm::raw_in ? Direction::to_bait : Direction::to_client;
  const bool bytes = record.type == formats::RecordType::data && record.direction == wanted;
  return !bytes || print(as_text(record.payload));
}

}  // namespace

Status follow_session(archive::Reader& reader, const archive::SessionSummary& session, FollowForm form) {
  const StopSignals signals;
  archive::SessionSummary now = session;
  formats::RecordPlace seen;
  bool listening = true;
  while (true) {
    auto read =
        reader.for_each_while(now, seen, [&](const formats::Record& record) { return listening = tell(record, form); });
    if (!read) return read;
    seen = now.last;
    if (!listening || !pause(now.end_ns == 0 ? kSessionPauseMs : 0) || now.end_ns != 0) return {};
    const auto again = reader.find(session.id);
    if (!again) return tl::unexpected<Error>(again.error());
    if (!*again) return fail("the session is gone from the index");
    now = **again;
  }
}

Status follow_list(archive::Reader& reader, const archive::Filter& filter, bool json) {
  const StopSignals signals;
  ListChanges changes(now_realtime_ns());
  archive::Filter all = filter;  // of any class: one that changes is none of those yet
  all.session_class.reset();
  all.limit = kRowsMax;
  all.newest_first = false;
  const auto take = [&](const archive::Filter& which, bool print_them) -> Status {
    const auto rows = reader.list(which);
    if (!rows) return tl::unexpected<Error>(rows.error());
    for (const archive::SessionSummary& row : *rows) {
      const bool news = changes.is_news(row);
      if (!news || !print_them || (filter.session_class && *filter.session_class != row.session_class)) continue;
      print(json ? summary_json(row) + "\n" : table_line(row));
    }
    return {};
  };
  const auto take_tagged = [&](bool print_them) -> Status {
    archive::Filter tagged = all;
    tagged.since_ns = std::max(filter.since_ns, now_realtime_ns() - kDay);
    for (const SessionClass each : {SessionClass::suspect, SessionClass::attack}) {
      tagged.session_class = each;
      if (auto taken = take(tagged, print_them); !taken) return taken;
    }
    return {};
  };
  if (!json) print(table_head());
  if (auto taken = take_tagged(false); !taken) return taken;
  const auto listed = reader.list(filter);
  if (!listed) return tl::unexpected<Error>(listed.error());
  for (const archive::SessionSummary& row : *listed) {
    changes.is_news(row);
    print(json ? summary_json(row) + "\n" : table_line(row));
  }
  while (pause(kListPauseMs)) {
    all.after = std::max(filter.after, changes.recent_after());
    if (auto taken = take(all, true); !taken) return taken;
    all.after = filter.after;
    if (auto taken = take_tagged(true); !taken) return taken;
    changes.forget_old();
  }
  return {};
}

}  // namespace skep::cli
