#include "http/body.h"

#include <algorithm>
#include <limits>

#include "base/ascii.h"

namespace skep::http {

namespace {

// A short body may well be a thousand times the same byte, as in an overflow.
constexpr uint64_t kRatioCountsFrom = 65'536;

}  // namespace

void Body::start(const BodyKind& kind) {
  unpacker_.reset();
  if (kind.packing != Packing::none) unpacker_ = std::make_unique<Unpacker>(kind.packing);
  at_ = kind.framing == Framing::chunked                      ? At::chunk_size
        : kind.framing == Framing::length && kind.length == 0 ? At::end
                                                              : At::content;
  left_ = kind.framing == Framing::length ? kind.length : 0;
  digits_ = size_done_ = false;
  line_ = 0;
  packed_ = given_ = 0;
}

Body::Piece Body::next(ByteView bytes) {
  switch (at_) {
    case At::content:
      return content(bytes, At::end);
    case At::chunk:
      return content(bytes, At::chunk_end);
    case At::chunk_size:
      return chunk_size(bytes);
    case At::chunk_end: {
      const auto end = std::find(bytes.begin(), bytes.end(), '\n');
      if (end == bytes.end()) return {bytes.size()};
      at_ = At::chunk_size;
      return {static_cast<size_t>(end - bytes.begin()) + 1};
    }
    case At::trailer:
      return trailer(bytes);
    case At::end:
      break;
  }
  return {};
}

Body::Piece Body::content(ByteView bytes, At then) {
  const size_t size = std::min<uint64_t>(left_, bytes.size());
  left_ -= size;
  if (left_ == 0) at_ = then;
  return {size, true};
}

// As libhtp: white space, digits, and whatever else there is in the line.
Body::Piece Body::chunk_size(ByteView bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const int digit = hex_digit(bytes[i]);
    if (digit >= 0 && !size_done_) {
      left_ = left_ * 16 + static_cast<unsigned>(digit);
      digits_ = true;
      if (left_ > std::numeric_limits<int32_t>::max()) {
        why_ = "a chunk is too large";
        return {i + 1};
      }
    } else if (bytes[i] == '\n') {
      if (!digits_) why_ = "the size of a chunk is no number";
      at_ = left_ == 0 ? At::trailer : At::chunk;
      digits_ = size_done_ = false;
      line_ = 0;
      return {i + 1};
    } else if (digits_ || !is_space(bytes[i])) {
      size_done_ = true;
    }
  }
  return {bytes.size()};
}

// Headers behind the last chunk, up to an empty line. Nothing looks at them.
Body::Piece Body::trailer(ByteView bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '\n') {
      line_ = line_ == 0 && bytes[i] == '\r' ? 1 : 2;
    } else if (line_ < 2) {
      at_ = At::end;
      return {i + 1};
    } else {
      line_ = 0;
    }
  }
  return {bytes.size()};
}

// How many of these may be given on, and counts them.
size_t Body::clipped(size_t size) {
  uint64_t most = limits_.body_bytes;
  if (unpacker_) most = std::min<uint64_t>(most, std::max(kRatioCountsFrom, limits_.unpacked_ratio * packed_));
  const size_t left = most > given_ ? most - given_ : 0;
  size = std::min(size, left);
  given_ += size;
  return size;
}

}  // namespace skep::http
