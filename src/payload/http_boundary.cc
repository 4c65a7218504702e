#include "payload/http_boundary.h"

#include <algorithm>

#include "payload/ascii.h"

namespace skep::payload {

HttpBoundary::Found HttpBoundary::take(uint8_t byte) {
  pending_[size_++] = byte;
  const std::string_view token = as_text(pending()).substr(size_ - 1 - token_, token_);
  if (is_space(byte)) {
    if (token_ != 0 && std::ranges::find(kHttpMethods, token) != std::end(kHttpMethods)) return Found::request;
    if (byte == '\n') return Found::body;
    in_body_line_ = token_ != 0 || size_ == pending_.size();
    return in_body_line_ ? Found::body : Found::nothing;
  }
  ++token_;
  const std::string_view longer = as_text(pending()).substr(size_ - token_, token_);
  const bool may_be = size_ < pending_.size() && std::ranges::any_of(kHttpMethods, [&](std::string_view name) {
                        return name.starts_with(longer);
                      });
  if (may_be) return Found::nothing;
  in_body_line_ = true;
  return Found::body;
}

size_t HttpBoundary::body_line(ByteView bytes) {
  const auto end = std::ranges::find(bytes, '\n');
  in_body_line_ = end == bytes.end();
  return static_cast<size_t>(end - bytes.begin()) + (in_body_line_ ? 0 : 1);
}

void HttpBoundary::clear() {
  size_ = token_ = 0;
}

}  // namespace skep::payload
