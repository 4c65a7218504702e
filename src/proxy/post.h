// What other threads have for a shard: words on its sessions, as honeypot hosts claim them, which it records; and
// errands of the proxy itself. A session's shard is told by its id.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "base/bounded_queue.h"
#include "formats/segment.h"
#include "model/session.h"

namespace skep::proxy {

class Shard;

struct Word {
  SessionId session;
  std::variant<formats::NoteEvent, formats::ServedEvent, formats::ProcessEvent, formats::FileEvent, Alert> what;
};
using Errand = std::function<void(Shard&)>;
using Mail = std::variant<Word, Errand>;

class Mailbox {
 public:
  static constexpr size_t kMailMax = 65'536;

  // False: it is full; that is counted.
  bool put(Mail mail);
  uint64_t refused() const { return waiting_.refused(); }
  // So much was put in, so much of it has been dealt with.
  uint64_t taken_in() const { return taken_in_; }
  uint64_t dealt_with() const { return dealt_with_; }

  // The shard's.
  int wake_fd() const { return waiting_.wake_fd(); }
  std::deque<Mail> take_all() { return waiting_.take_all(); }
  void done(size_t mails) { dealt_with_ += mails; }

 private:
  BoundedQueue<Mail> waiting_{kMailMax};
  std::atomic<uint64_t> taken_in_{0};
  std::atomic<uint64_t> dealt_with_{0};
};

class Post {
 public:
  explicit Post(unsigned shards);
  Mailbox& of(unsigned shard) { return *mailboxes_[shard]; }
  // False: the shard's mailbox is full.
  bool tell(Word word);

  // A moment: what every shard had been told by then.
  using Mark = std::vector<uint64_t>;
  Mark mark() const;
  // All that was told by then is recorded.
  bool passed(const Mark& mark) const;

 private:
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
};

}  // namespace skep::proxy
