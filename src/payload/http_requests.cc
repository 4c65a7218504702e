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
struct HttpRequests::Parser {
  enum class At : uint8_t { line, headers, body, open_body, over };

  explicit Parser(const HttpLimits& given) : limits(given), body(given) {}

  void take(ByteView bytes, HttpEvents& events);
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

  const HttpLimits limits;
  HttpBuffers request;
  HttpBody body;
  HttpBoundary boundary;
  At at = At::line;
  bool begun = false;   // a byte that is no empty line's
  uint64_t offset = 0;  // of the stream, what this step begins with
  size_t requests = 0;  // that had a line
  std::string broken;
};

void HttpRequests::Parser::take(ByteView bytes, HttpEvents& events) {
  while (!bytes.empty() && at != At::over) {
    const size_t used = step(bytes, events);
    offset += used;
    bytes = bytes.subspan(used);
  }
  request.keep();
}

// Bytes that were kept until it was known what they belong to.
void HttpRequests::Parser::take_again(ByteView kept, uint64_t end_offset, HttpEvents& events) {
  const uint64_t step_offset = std::exchange(offset, end_offset - kept.size());
  take(kept, events);
  offset = step_offset;
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
  if (at == At::line) request.clear();
  broken = std::move(reason);
  at = At::over;
}

void HttpRequests::Parser::break_off_headers() {
  break_off("more than " + std::to_string(kHttpHeaders) + " headers");
}

// How many of the bytes belong to this line, as many as the head may still have. 0: it is too long.
size_t HttpRequests::Parser::line_size(ByteView bytes) {
  const size_t left = limits.head_bytes - request.head().size();
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
  request.head().add(piece);
  if (piece.back() != '\n') return size;
  if (request.head().is_empty_line()) {
    begun = false;
    request.clear();
  } else {
    whole_line(offset + size, events);
  }
  return size;
}

void HttpRequests::Parser::whole_line(uint64_t at_offset, HttpEvents& events) {
  if (!request.set_line()) return break_off("CONNECT names no host");
  ++requests;
  at = At::headers;
  events.line(request, at_offset);
}

size_t HttpRequests::Parser::headers(ByteView bytes, HttpEvents& events) {
  size_t used = 0;
  while (used < bytes.size() && at == At::headers) {
    const size_t size = line_size(bytes.subspan(used));
    if (size == 0) break;
    request.head().add(bytes.subspan(used, size));
    used += size;
    if (bytes[used - 1] != '\n') continue;
    const HttpHead::Line line = request.head().read_header_line();
    if (line == HttpHead::Line::one_too_many)
      break_off_headers();
    else if (line == HttpHead::Line::last)
      whole_head(body_kind(request.head()), offset + used, events);
  }
  return used;
}

void HttpRequests::Parser::whole_head(const HttpBodyKind& kind, uint64_t at_offset, HttpEvents& events) {
  request.set_head(kind.framing != HttpFraming::none, true);
  events.head(request, at_offset);
  if (!kind.why.empty()) return break_off(std::string(kind.why));
  body.start(kind);
  at = kind.framing == HttpFraming::none ? At::open_body : At::body;
  if (at == At::body && body.done()) end(at_offset, events);
}

// The connection ends in the midst of a head.
void HttpRequests::Parser::cut_short(HttpEvents& events) {
  if (at == At::line) whole_line(offset, events);
  if (at != At::headers) return;
  if (!request.head().cut_short()) return break_off_headers();
  request.set_head(false, false);
  events.head(request, offset);
  end(offset, events);
}

size_t HttpRequests::Parser::sized_body(ByteView bytes, HttpEvents& events) {
  const size_t size =
      body.take(bytes, [&](ByteView content, size_t used) { events.body(request, content, offset + used); });
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
             [&](ByteView out, size_t used) { events.body(request, out, offset + until - content.size() + used); });
    given = until;
  };
  for (size_t i = 0; i < bytes.size();) {
    if (boundary.in_body_line()) {
      i += boundary.body_line(bytes.subspan(i));
      continue;
    }
    const HttpBoundary::Found found = boundary.take(bytes[i++]);
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
  events.end(request, at_offset);
  request.clear();
  body.start({.framing = HttpFraming::length});  // lets go of what it held
  at = At::line;
  begun = false;
}

void HttpRequests::Parser::finish(HttpEvents& events) {
  if (at == At::open_body && !boundary.pending().empty())
    body.add(boundary.pending(), [&](ByteView content, size_t) { events.body(request, content, offset); });
  if (at == At::open_body || at == At::body)
    end(offset, events);
  else if (at == At::headers || (at == At::line && begun))
    cut_short(events);
  at = At::over;
}

HttpRequests::HttpRequests(const HttpLimits& limits) : parser_(std::make_unique<Parser>(limits)) {}
HttpRequests::~HttpRequests() = default;

void HttpRequests::take(ByteView bytes, HttpEvents& events) {
  parser_->take(bytes, events);
}

void HttpRequests::finish(HttpEvents& events) {
  parser_->finish(events);
}

bool HttpRequests::in_head() const {
  return (parser_->at == Parser::At::line && parser_->begun) || parser_->at == Parser::At::headers;
}

std::string_view HttpRequests::broken() const {
  return parser_->broken;
}

size_t HttpRequests::bytes_held() const {
  return sizeof *this + sizeof *parser_ + parser_->request.bytes_held() + parser_->body.bytes_held() +
         parser_->broken.capacity();
}

}  // namespace skep::payload
