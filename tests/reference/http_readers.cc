#include "reference/http_readers.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "http/requests.h"
#include "reference/htp_requests.h"

namespace skep::reference {
namespace {

using formats::RuleBuffer;

constexpr http::Limits kLimits{.head_bytes = 4096, .body_bytes = 65'536, .requests = 20};

struct Told final : http::Events {
  void tell(const char* what, http::Request& request, uint64_t offset) {
    all += what + std::to_string(offset) + (request.promises_body() ? " with a body" : "");
    for (int which = 0; which <= static_cast<int>(RuleBuffer::http_start); ++which) {
      const auto bytes = request.buffer(static_cast<RuleBuffer>(which));
      if (bytes) all += "\n  " + std::to_string(which) + '=' + std::string(as_text(*bytes));
    }
  }
  void line(http::Request& request, uint64_t offset) override { tell("\nline ", request, offset); }
  void head(http::Request& request, uint64_t offset) override { tell("\nhead ", request, offset); }
  void body(http::Request&, ByteView bytes, uint64_t) override { content += as_text(bytes); }
  void end(http::Request& request, uint64_t offset) override {
    all += "\nbody " + std::exchange(content, {});
    tell("\nend ", request, offset);
  }
  std::string all;
  std::string content;
};

struct Account {
  std::string told;
  std::string broken;
};

template <typename Reader>
Account account(ByteView bytes, size_t cut) {
  http::Scratch scratch;
  Reader reader(kLimits);
  Told told;
  while (!bytes.empty()) {
    // Copied, so that what is read behind a piece is found.
    const Bytes piece(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(cut, bytes.size())));
    if constexpr (std::is_same_v<Reader, http::Requests>)
      reader.take(piece, told, &scratch);  // makes its buffers anew in each call
    else
      reader.take(piece, told);
    bytes = bytes.subspan(piece.size());
  }
  const std::string broken(reader.broken());
  reader.finish(told);
  return {told.all + "\nbody " + told.content, broken};
}

// That a header is one too many is known with the line behind it. To libhtp its first byte is enough, where it lies in
// the same piece.
bool same_broken(const std::string& ours, const std::string& theirs) {
  const bool too_many = ours.ends_with(" headers") || theirs.ends_with(" headers");
  return ours.empty() == theirs.empty() || too_many;
}

}  // namespace

std::string http_difference(ByteView bytes, size_t cut) {
  const Account ours = account<http::Requests>(bytes, cut);
  const Account theirs = account<HtpRequests>(bytes, cut);
  if (ours.told == theirs.told && same_broken(ours.broken, theirs.broken)) return {};
  return "--- ours" + ours.told + "\nbroken " + ours.broken + "\n--- libhtp" + theirs.told + "\nbroken " +
         theirs.broken + "\n";
}

}  // namespace skep::reference
