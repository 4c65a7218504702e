#include "replay/answer_end.h"

#include <algorithm>

namespace skep::replay {
namespace {

constexpr size_t kTailBytes = 8;
constexpr size_t kLineEndBytes = 2;

ByteView tail(ByteView bytes, size_t most) {
  return bytes.last(std::min(bytes.size(), most));
}

bool ends_with(ByteView bytes, ByteView with) {
  return bytes.size() >= with.size() && std::ranges::equal(bytes.last(with.size()), with);
}

ptrdiff_t lines_in(ByteView bytes) {
  return std::ranges::count(bytes, '\n');
}

bool as_many_lines(ByteView recorded, ByteView came) {
  if (recorded.empty() || recorded.back() != '\n' || !ends_with(came, tail(recorded, kLineEndBytes))) return false;
  return lines_in(came) >= lines_in(recorded);
}

std::optional<size_t> behind_lines(ByteView came, ptrdiff_t lines) {
  for (size_t i = 0; i < came.size(); ++i) {
    if (came[i] == '\n' && --lines == 0) return i + 1;
  }
  return std::nullopt;
}

}  // namespace

bool looks_whole(ByteView recorded, ByteView came) {
  if (came.size() == recorded.size()) return true;
  if (came.empty() || recorded.empty()) return false;
  const bool ends_alike = came.size() >= recorded.size() / 2 && ends_with(came, tail(recorded, kTailBytes));
  return ends_alike || as_many_lines(recorded, came);
}

std::optional<size_t> end_of_first(ByteView recorded, ByteView came) {
  if (recorded.empty()) return 0;
  const ByteView end = tail(recorded, kTailBytes);
  if (came.size() >= recorded.size() && ends_with(came.first(recorded.size()), tail(end, kLineEndBytes)))
    return recorded.size();
  if (const size_t found = as_text(came).find(as_text(end)); found != std::string_view::npos) return found + end.size();
  if (recorded.back() == '\n') return behind_lines(came, lines_in(recorded));
  return std::nullopt;
}

}  // namespace skep::replay
