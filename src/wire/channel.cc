#include "wire/channel.h"

namespace skep::wire {

Status Channel::receive(ByteView ciphertext) {
  Status received = tls_.receive(ciphertext);
  // What came before an end or an error counts.
  reader_.feed(tls_.take_plain());
  while (true) {
    auto content = reader_.next();
    if (!content) return tl::unexpected<Error>(content.error());
    if (!*content) return received;
    take(**content);
  }
}

void Channel::take(const Bytes& content) {
  auto frame = parse_frame(content);
  if (!frame) {
    ++counters_.malformed;
    return;
  }
  if (frame->seq() <= last_seq_) {
    ++counters_.stale;
    return;
  }
  counters_.missing += frame->seq() - last_seq_ - 1;
  last_seq_ = frame->seq();
  ++counters_.received;
  frames_.push_back(std::move(*frame));
}

bool Channel::send(Frame frame) {
  frame.set_seq(next_seq_++);
  if (outgoing().size() > kOutgoingBytesMax || !tls_.send(encode_frame(frame))) {
    ++counters_.refused;
    return false;
  }
  return true;
}

ByteView Channel::outgoing() {
  const Bytes fresh = tls_.take_outgoing();
  outgoing_.insert(outgoing_.end(), fresh.begin(), fresh.end());
  return outgoing_;
}

void Channel::sent(size_t bytes) {
  outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<ptrdiff_t>(bytes));
}

}  // namespace skep::wire
