// links: skep_http
// Any client bytes: the parser holds no more than it may, and one cut, the bytes one by one and no cut at all bring the
// same events; and what came of a body by then comes of it with that very byte.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "http/requests.h"

namespace {

using skep::ByteView;
using skep::formats::RuleBuffer;

struct Recorded final : skep::http::Events {
  void record(const char* what, skep::http::Request& request, uint64_t offset) {
    all += what + std::to_string(offset);
    for (int which = 0; which <= static_cast<int>(RuleBuffer::http_start); ++which) {
      const auto bytes = request.buffer(static_cast<RuleBuffer>(which));
      all += bytes ? '=' + std::string(skep::as_text(*bytes)) : "-";
    }
  }
  void line(skep::http::Request& request, uint64_t offset) override { record("line", request, offset); }
  void head(skep::http::Request& request, uint64_t offset) override { record("head", request, offset); }
  void body(skep::http::Request&, ByteView bytes, uint64_t offset) override {
    content += skep::as_text(bytes);
    if (bytes.empty() || offset < content_offset) std::abort();
    content_offset = offset;
    body_offsets.insert({requests, content.size(), offset});
  }
  void end(skep::http::Request& request, uint64_t offset) override {
    all += std::exchange(content, {});
    if (offset < content_offset) std::abort();
    record("end", request, offset);
    ++requests;
  }
  std::string all;
  std::string content;
  uint64_t content_offset = 0;
  size_t requests = 0;
  std::set<std::tuple<size_t, size_t, uint64_t>> body_offsets;  // request, bytes of its body, offset
};

constexpr skep::http::Limits kLimits{.head_bytes = 2048, .body_bytes = 65'536, .requests = 20};

Recorded events(ByteView bytes, size_t first, size_t then) {
  skep::http::Requests requests(kLimits);
  Recorded recorded;
  for (size_t size = first; !bytes.empty(); size = then) {
    // Copied, so that what is read behind a piece is found.
    const skep::Bytes piece(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(std::min(size, bytes.size())));
    requests.take(piece, recorded);
    bytes = bytes.subspan(piece.size());
    if (requests.bytes_held() > size_t{256} * 1024) std::abort();
  }
  requests.finish(recorded);
  recorded.all += recorded.content + std::string(requests.broken());
  return recorded;
}

void expect_same(const Recorded& cut, const Recorded& bytewise) {
  if (cut.all == bytewise.all && std::ranges::includes(bytewise.body_offsets, cut.body_offsets)) return;
  std::fputs("the events depend on how the bytes were cut\n", stderr);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const ByteView bytes(data + 2, size - 2);
  const size_t cut = 1 + (data[0] * size_t{256} + data[1]) % (bytes.size() + 1);
  const Recorded bytewise = events(bytes, 1, 1);
  expect_same(events(bytes, bytes.size(), bytes.size()), bytewise);
  expect_same(events(bytes, cut, bytes.size()), bytewise);
  return 0;
}
