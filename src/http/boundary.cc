#include "http/boundary.h"

#include <algorithm>
#include <cstring>

#include "base/ascii.h"

namespace skep::http {

namespace {

// Of a method and the space behind it; 0: they do not lie there.
size_t method_size(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  for (const std::string_view name : kMethods)
    if (text.size() > name.size() && is_space(bytes[name.size()]) && text.starts_with(name)) return name.size() + 1;
  return 0;
}

}  // namespace

Boundary::Found Boundary::take(ByteView bytes, size_t& taken) {
  taken = 1;
  const size_t method = size_ == 0 ? method_size(bytes) : 0;
  if (method == 0) return take(bytes[0]);
  std::ranges::copy(bytes.first(method), pending_.begin());
  taken = size_ = method;
  return Found::request;
}

Boundary::Found Boundary::take(uint8_t byte) {
  pending_[size_++] = byte;
  const std::string_view token = as_text(pending()).substr(size_ - 1 - token_, token_);
  if (is_space(byte)) {
    if (token_ != 0 && std::ranges::find(kMethods, token) != std::end(kMethods)) return Found::request;
    if (byte == '\n') return Found::body;
    in_body_line_ = token_ != 0 || size_ == pending_.size();
    return in_body_line_ ? Found::body : Found::nothing;
  }
  ++token_;
  const std::string_view longer = as_text(pending()).substr(size_ - token_, token_);
  const bool may_be = size_ < pending_.size() &&
                      std::ranges::any_of(kMethods, [&](std::string_view name) { return name.starts_with(longer); });
  if (may_be) return Found::nothing;
  in_body_line_ = true;
  return Found::body;
}

size_t Boundary::body_line(ByteView bytes) {
  const auto* const end = static_cast<const uint8_t*>(std::memchr(bytes.data(), '\n', bytes.size()));
  in_body_line_ = end == nullptr;
  return in_body_line_ ? bytes.size() : static_cast<size_t>(end - bytes.data()) + 1;
}

void Boundary::clear() {
  size_ = token_ = 0;
}

}  // namespace skep::http
