#include "proxy/post.h"

#include <algorithm>

namespace skep::proxy {

// Counted before it lies there: who marks a moment meanwhile waits for it rather than not.
bool Mailbox::put(Mail mail) {
  ++taken_in_;
  if (waiting_.push(std::move(mail))) return true;
  ++dealt_with_;  // nothing will come of it
  return false;
}

Post::Post(unsigned shards) {
  for (unsigned i = 0; i < shards; ++i) mailboxes_.push_back(std::make_unique<Mailbox>());
}

bool Post::tell(Word word) {
  Mailbox& to = *mailboxes_[writer_of(word.session, static_cast<unsigned>(mailboxes_.size()))];
  return to.put(std::move(word));
}

Post::Mark Post::mark() const {
  Mark mark;
  for (const auto& mailbox : mailboxes_) mark.push_back(mailbox->taken_in());
  return mark;
}

bool Post::passed(const Mark& mark) const {
  for (size_t i = 0; i < mark.size(); ++i) {
    if (mailboxes_[i]->dealt_with() < mark[i]) return false;
  }
  return true;
}

}  // namespace skep::proxy
