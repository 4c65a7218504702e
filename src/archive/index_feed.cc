#include "archive/index_feed.h"

#include <poll.h>

#include <algorithm>

#include "base/log.h"
#include "base/threads.h"

namespace skep::archive {
namespace {

constexpr size_t kBatchesAWriter = 64;
constexpr int kIndexPauseMs = 200;  // before what could not be stored is tried again
constexpr int kSegmentsPauseMs = 2;

// The newest of each session; a head that was given away with an earlier row stays.
void wait_for_index(std::map<uint64_t, SessionSummary>& waiting, SessionSummary row) {
  SessionSummary& there = waiting[row.id.value];
  if (row.head.empty()) row.head = std::move(there.head);
  there = std::move(row);
}

}  // namespace

IndexFeed::IndexFeed(std::string folder, IndexFeedOptions options)
    : folder_(std::move(folder)),
      options_(std::move(options)),
      batches_(kBatchesAWriter * options_.writers),
      early_(options_.writers),
      least_(options_.writers, options_.segment),
      said_(options_.segment) {}

IndexFeed::~IndexFeed() {
  stopping_ = true;
  push({});  // wakes it
  if (thread_.joinable()) thread_.join();
}

void IndexFeed::start() {
  thread_ = std::thread([this] { run(); });
  name_thread(thread_, "index");
}

bool IndexFeed::any_early() const {
  return std::any_of(early_.begin(), early_.end(), [](const auto& batches) { return !batches.empty(); });
}

void IndexFeed::run() {
  bool failing = false;
  while (true) {
    pollfd wait{batches_.wake_fd(), POLLIN, 0};
    // Once it is stopping nothing is waited for: what wakes it at the end may have been taken with the batches before.
    const int pause_ms = stopping_ ? 0 : any_early() ? kSegmentsPauseMs : failing ? kIndexPauseMs : -1;
    ::poll(&wait, 1, pause_ms);
    const bool last = stopping_;
    take();
    const Status put = store();
    if (!put && !failing) log::error("archive: {}; the segments have it all, it is tried again", put.error().message);
    failing = !put;
    if (last) return;
  }
}

// What the segments hold by now.
void IndexFeed::take() {
  for (IndexBatch& batch : batches_.take_all()) early_[batch.writer].push_back(std::move(batch));
  for (unsigned writer = 0; writer < options_.writers; ++writer) {
    std::deque<IndexBatch>& batches = early_[writer];
    if (batches.empty()) continue;
    const uint64_t stored = options_.stored(writer);
    for (; !batches.empty() && batches.front().position <= stored; batches.pop_front()) {
      for (SessionSummary& row : batches.front().rows) wait_for_index(waiting_, std::move(row));
      least_[writer] = std::max(least_[writer], batches.front().segment);
    }
  }
}

Status IndexFeed::store() {
  const uint32_t segment = *std::min_element(least_.begin(), least_.end());
  if (waiting_.empty() && segment == said_) return {};
  if (!index_) {
    auto opened = Index::open(folder_, true);
    if (!opened) return tl::unexpected<Error>(opened.error());
    index_.emplace(std::move(*opened));
  }
  std::vector<const SessionSummary*> rows;
  rows.reserve(waiting_.size());
  for (const auto& [id, row] : waiting_) rows.push_back(&row);
  if (auto put = index_->put(rows, segment); !put) return put;
  said_ = segment;
  const auto stored = std::exchange(waiting_, {});
  if (!options_.indexed) return {};
  for (const auto& [id, row] : stored) options_.indexed(row);
  return {};
}

}  // namespace skep::archive
