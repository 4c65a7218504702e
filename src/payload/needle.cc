#include "payload/needle.h"

#include <algorithm>
#include <cstring>

namespace skep::payload {

Needle::Needle(std::string_view bytes, bool nocase) : bytes_(bytes), nocase_(nocase) {
  if (nocase_)
    for (char& each : bytes_) each = static_cast<char>(lower(static_cast<uint8_t>(each)));
  const size_t last = bytes_.empty() ? 0 : bytes_.size() - 1;
  skip_.fill(static_cast<uint8_t>(std::clamp<size_t>(bytes_.size(), 1, 255)));
  for (size_t i = 0; i < last; ++i) {
    const auto byte = static_cast<uint8_t>(bytes_[i]);
    const auto skip = static_cast<uint8_t>(std::min<size_t>(last - i, 255));
    skip_[byte] = skip;
    if (nocase_ && byte >= 'a' && byte <= 'z') skip_[byte - 32u] = skip;
  }
}

bool Needle::at(ByteView in, size_t place) const {
  if (place > in.size() || bytes_.size() > in.size() - place) return false;
  const uint8_t* const there = in.data() + place;
  if (!nocase_) return std::memcmp(there, bytes_.data(), bytes_.size()) == 0;
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (lower(there[i]) != static_cast<uint8_t>(bytes_[i])) return false;
  }
  return true;
}

size_t Needle::find(ByteView in, size_t from) const {
  const size_t size = bytes_.size();
  if (from > in.size() || size > in.size() - from) return kNone;
  if (size == 0) return from;
  const auto last = static_cast<uint8_t>(bytes_.back());
  for (size_t place = from; place + size <= in.size();) {
    const uint8_t byte = in[place + size - 1];
    if ((nocase_ ? lower(byte) : byte) == last && at(in, place)) return place;
    place += skip_[byte];
  }
  return kNone;
}

}  // namespace skep::payload
