#include "payload/http_requests.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "payload/http_body.h"
#include "payload/http_boundary.h"
#include "payload/http_buffers.h"
#include "payload/http_framing.h"

namespace skep::payload {

// Where the bytes are. Each step takes as many as belong to one part; parts follow each other thus:
//   line -> headers
//   headers -> body | open_body | line
//   body -> line        one that says how long it is
//   open_body -> line   one that does not: up to what looks like a request
struct HttpRequests::Parser final : HttpRequest {
  enum class At : uint8_t { line, headers, body, open_body, over };
  // How much of the head was read. A whole one can be read again.
  enum class Known : uint8_t { nothing, line, head };

  explicit Parser(const HttpLimits& given) : limits(given), body(given) {}

  std::optional<ByteView> buffer(formats::RuleBuffer which) override { return buffers().buffer(which); }
  bool promises_body() const override { return body_promised; }

  void take(ByteView bytes, HttpEvents& events);
  void take_steps(ByteView bytes, HttpEvents& events);
  void leave();
  void take_again(ByteView kept, uint64_t end_offset, HttpEvents& events);
  size_t step(ByteView bytes, HttpEvents& events);
  size_t line(ByteView bytes, HttpEvents& events);
  size_t headers(ByteView bytes, HttpEvents& events);
  size_t sized_body(ByteView bytes, HttpEvents& events);
  size_t open_body(ByteView bytes, HttpEvents& events);
  size_t line_size(ByteView bytes);
  void whole_line(uint64_t at_offset, HttpEvents& events);
  void whole_head(const HttpBodyKind& kind, uint64_t at_offset, HttpEvents& events);
  void cut_short(HttpEvents& events);
  void end(uint64_t at_offset, HttpEvents& events);
  void finish(HttpEvents& events);
  void break_off(std::string reason);
  void break_off_headers();
  HttpBuffers& buffers();

  const HttpLimits limits;
  HttpHeadBytes head;
  std::unique_ptr<HttpBuffers> made;  // of the head; see buffers()
  HttpScratch* scratch = nullptr;     // for the time of a call
  HttpBody body;
  HttpBoundary boundary;
  At at = At::line;
  Known known = Known::nothing;
  bool body_promised = false;
  bool begun = false;   // a byte that is no empty line's
  uint64_t offset = 0;  // of the stream, what this step begins with
  size_t requests = 0;  // that had a line
  std::string broken;
};

void HttpRequests::Parser::take(ByteView bytes, HttpEvents& events) {
  take_steps(bytes, events);
  leave();
}

// The call is over.
void HttpRequests::Parser::leave() {
  head.keep();
  if (made) made->forget_formed();
  if (scratch == nullptr || known == Known::line) return;
  if (!scratch->spare_) scratch->spare_ = std::move(made);
  made.reset();
}

void HttpRequests::Parser::take_steps(ByteView bytes, HttpEvents& events) {
  while (!bytes.empty() && at != At::over) {
    const size_t used = step(bytes, events);
    offset += used;
    bytes = bytes.subspan(used);
  }
}

// Bytes that were kept until it was known what they belong to.
void HttpRequests::Parser::take_again(ByteView kept, uint64_t end_offset, HttpEvents& events) {
  const uint64_t step_offset = std::exchange(offset, end_offset - kept.size());
  take_steps(kept, events);
  head.keep();
  offset = step_offset;
}

HttpBuffers& HttpRequests::Parser::buffers() {
  if (made) return *made;
  made = scratch != nullptr && scratch->spare_ ? std::move(scratch->spare_) : std::make_unique<HttpBuffers>();
  made->begin(head);
  if (known == Known::head) made->read_again();
  return *made;
}

size_t HttpRequests::Parser::step(ByteView bytes, HttpEvents& events) {
  switch (at) {
    case At::line:
      return line(bytes, events);
    case At::headers:
      return headers(bytes, events);
    case At::body:
      return sized_body(bytes, events);
    case At::open_body:
      return open_body(bytes, events);
    case At::over:
      break;
  }
  return bytes.size();
}

void HttpRequests::Parser::break_off(std::string reason) {
  if (at == At::line) head.clear();
  broken = std::move(reason);
  at = At::over;
}

void HttpRequests::Parser::break_off_headers() {
  break_off("more than " + std::to_string(kHttpHeaders) + " headers");
}

// How many of the bytes belong to this line, as many as the head may still have. 0: it is too long.
size_t HttpRequests::Parser::line_size(ByteView bytes) {
  const size_t left = limits.head_bytes - head.all().size();
  if (left == 0) break_off("a request's head is longer than " + std::to_string(limits.head_bytes) + " bytes");
  if (bytes.size() > left) bytes = bytes.first(left);
  const auto* const end = static_cast<const uint8_t*>(std::memchr(bytes.data(), '\n', bytes.size()));
  return end != nullptr ? static_cast<size_t>(end - bytes.data()) + 1 : bytes.size();
}

size_t HttpRequests::Parser::line(ByteView bytes, HttpEvents& events) {
  const size_t size = line_size(bytes);
  if (size == 0) return 0;
  const ByteView piece = bytes.first(size);
  if (!begun) begun = std::ranges::any_of(piece, [](uint8_t byte) { return byte != '\r' && byte != '\n'; });
  if (begun && requests == limits.requests) {
    break_off("more than " + std::to_string(limits.requests) + " requests");
    return 0;
  }
  head.add(piece);
  if (piece.back() != '\n') return size;
  if (head.is_empty_line()) {
    begun = false;
    head.clear();
  } else {
    whole_line(offset + size, events);
  }
  return size;
}

void HttpRequests::Parser::whole_line(uint64_t at_offset, HttpEvents& events) {
  if (!buffers().read_line(head.all().size())) return break_off("CONNECT names no host");
  ++requests;
  at = At::headers;
  known = Known::line;
  events.line(*this, at_offset);
}

size_t HttpRequests::Parser::headers(ByteView bytes, HttpEvents& events) {
  size_t used = 0;
  while (used < bytes.size() && at == At::headers) {
    const size_t size = line_size(bytes.subspan(used));
    if (size == 0) break;
    head.add(bytes.subspan(used, size));
    used += size;
    if (bytes[used - 1] != '\n') continue;
    const HttpHead::Line line = buffers().head().read_header_line(head.all().size());
    if (line == HttpHead::Line::one_too_many)
      break_off_headers();
    else if (line == HttpHead::Line::last)
      whole_head(body_kind(buffers().head()), offset + used, events);
  }
  return used;
}

void HttpRequests::Parser::whole_head(const HttpBodyKind& kind, uint64_t at_offset, HttpEvents& events) {
  buffers().set_head(true);
  known = Known::head;
  body_promised = kind.framing != HttpFraming::none;
  events.head(*this, at_offset);
  if (!kind.why.empty()) return break_off(std::string(kind.why));
  body.start(kind);
  at = kind.framing == HttpFraming::none ? At::open_body : At::body;
  if (at == At::body && body.done()) end(at_offset, events);
}

// The connection ends in the midst of a head.
void HttpRequests::Parser::cut_short(HttpEvents& events) {
  if (at == At::line) whole_line(offset, events);
  if (at != At::headers) return;
  if (!buffers().head().cut_short()) return break_off_headers();
  buffers().set_head(false);
  events.head(*this, offset);
  end(offset, events);
}

size_t HttpRequests::Parser::sized_body(ByteView bytes, HttpEvents& events) {
  const size_t size =
      body.take(bytes, [&](ByteView content, size_t used) { events.body(*this, content, offset + used); });
  if (!body.why().empty())
    break_off(std::string(body.why()));
  else if (body.done())
    end(offset + size, events);
  return size;
}

// As much of the body as is known for such, in as few pieces as there can be: it may be all empty lines.
size_t HttpRequests::Parser::open_body(ByteView bytes, HttpEvents& events) {
  size_t given = 0;  // of these bytes
  const auto give = [&](ByteView content, size_t until) {
    body.add(content,
             [&](ByteView out, size_t used) { events.body(*this, out, offset + until - content.size() + used); });
    given = until;
  };
  for (size_t i = 0; i < bytes.size();) {
    if (boundary.in_body_line()) {
      i += boundary.body_line(bytes.subspan(i));
      continue;
    }
    size_t taken = 0;
    const HttpBoundary::Found found = boundary.take(bytes.subspan(i), taken);
    i += taken;
    const ByteView pending = boundary.pending();
    if (found == HttpBoundary::Found::body) {
      if (pending.size() > i) give(pending, i);  // some came before
      boundary.clear();
    } else if (found == HttpBoundary::Found::request) {
      if (given + pending.size() < i) give(bytes.subspan(given, i - pending.size() - given), i - pending.size());
      end(offset + i, events);
      // Where its first bytes came with an earlier read they lie in the boundary alone.
      const size_t before = pending.size() > i ? 0 : i - pending.size();
      if (pending.size() > i) take_again(pending, offset + i, events);
      boundary.clear();
      return pending.size() > i ? i : before;
    }
  }
  const size_t pending = boundary.pending().size();
  if (given + pending < bytes.size())
    give(bytes.subspan(given, bytes.size() - pending - given), bytes.size() - pending);
  return bytes.size();
}

void HttpRequests::Parser::end(uint64_t at_offset, HttpEvents& events) {
  events.end(*this, at_offset);
  head.clear();
  if (made) made->begin(head);
  known = Known::nothing;
  body_promised = false;
  body.start({.framing = HttpFraming::length});  // lets go of what it held
  at = At::line;
  begun = false;
}

void HttpRequests::Parser::finish(HttpEvents& events) {
  if (at == At::open_body && !boundary.pending().empty())
    body.add(boundary.pending(), [&](ByteView content, size_t) { events.body(*this, content, offset); });
  if (at == At::open_body || at == At::body)
    end(offset, events);
  else if (at == At::headers || (at == At::line && begun))
    cut_short(events);
  at = At::over;
  leave();
}

HttpScratch::HttpScratch() = default;
HttpScratch::~HttpScratch() = default;

HttpRequests::HttpRequests(const HttpLimits& limits) : parser_(std::make_unique<Parser>(limits)) {}
HttpRequests::~HttpRequests() = default;

void HttpRequests::take(ByteView bytes, HttpEvents& events, HttpScratch* scratch) {
  parser_->scratch = scratch;
  parser_->take(bytes, events);
  parser_->scratch = nullptr;
}

void HttpRequests::finish(HttpEvents& events, HttpScratch* scratch) {
  parser_->scratch = scratch;
  parser_->finish(events);
  parser_->scratch = nullptr;
}

bool HttpRequests::in_head() const {
  return (parser_->at == Parser::At::line && parser_->begun) || parser_->at == Parser::At::headers;
}

std::string_view HttpRequests::broken() const {
  return parser_->broken;
}

size_t HttpRequests::bytes_held() const {
  return sizeof *this + sizeof *parser_ + parser_->head.bytes_held() +
         (parser_->made ? parser_->made->bytes_held() : 0) + parser_->body.bytes_held() + parser_->broken.capacity();
}

}  // namespace skep::payload
