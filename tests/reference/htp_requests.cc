#include "reference/htp_requests.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "http/body.h"
#include "http/boundary.h"
#include "reference/htp_buffers.h"
#include "reference/htp_parser.h"

namespace skep::reference {

using http::Body;
using http::Boundary;
using http::Events;
using http::Framing;
using http::Limits;

// Where the bytes are. Each step takes as many as belong to one part; parts follow each other thus:
//   line -> headers
//   headers -> body | open_body | line
//   body -> line        one that says how long it is
//   open_body -> line   one that does not: up to what looks like a request
struct HtpRequests::Parser {
  enum class At : uint8_t { line, headers, body, open_body, over };

  explicit Parser(const Limits& given) : limits(given), body(given) {}

  void take(ByteView bytes, Events& events);
  void take_again(ByteView kept, uint64_t end_offset, Events& events);
  size_t step(ByteView bytes, Events& events);
  size_t line(ByteView bytes, Events& events);
  size_t headers(ByteView bytes, Events& events);
  size_t sized_body(ByteView bytes, Events& events);
  size_t open_body(ByteView bytes, Events& events);
  size_t header_bytes(ByteView bytes);
  size_t in_limit(size_t bytes);
  bool feed(ByteView bytes);
  void whole_line(uint64_t at_offset, Events& events);
  void whole_head(uint64_t at_offset, Events& events);
  void end(uint64_t at_offset, Events& events);
  void finish(Events& events);
  void break_off(std::string reason);

  const Limits limits;
  HtpParser htp;
  HtpBuffers request;
  Body body;
  Boundary boundary;
  At at = At::line;
  uint64_t offset = 0;     // of the stream, what this step begins with
  size_t head_bytes = 0;   // of this request, so far
  size_t requests = 0;     // that had a line
  bool begun = false;      // a byte that is no empty line's
  size_t header_line = 0;  // of a header's line so far; more than a CR counts as two
  std::string broken;
};

void HtpRequests::Parser::take(ByteView bytes, Events& events) {
  while (!bytes.empty() && at != At::over) {
    const size_t used = step(bytes, events);
    offset += used;
    bytes = bytes.subspan(used);
  }
}

// Bytes that were kept until it was known what they belong to.
void HtpRequests::Parser::take_again(ByteView kept, uint64_t end_offset, Events& events) {
  const uint64_t step_offset = std::exchange(offset, end_offset - kept.size());
  take(kept, events);
  offset = step_offset;
}

size_t HtpRequests::Parser::step(ByteView bytes, Events& events) {
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

void HtpRequests::Parser::break_off(std::string reason) {
  broken = std::move(reason);
  at = At::over;
}

// Of so many, as many as the head may still have; none: it is too long.
size_t HtpRequests::Parser::in_limit(size_t bytes) {
  const size_t left = limits.head_bytes - head_bytes;
  if (left == 0) break_off("a request's head is longer than " + std::to_string(limits.head_bytes) + " bytes");
  return std::min(bytes, left);
}

bool HtpRequests::Parser::feed(ByteView bytes) {
  head_bytes += bytes.size();
  return htp.feed(bytes);
}

size_t HtpRequests::Parser::line(ByteView bytes, Events& events) {
  const auto* const end = static_cast<const uint8_t*>(std::memchr(bytes.data(), '\n', bytes.size()));
  size_t size = end != nullptr ? static_cast<size_t>(end - bytes.data()) + 1 : bytes.size();
  size = in_limit(size);
  if (size == 0) return 0;
  const ByteView piece = bytes.first(size);
  if (!begun) begun = std::ranges::any_of(piece, [](uint8_t byte) { return byte != '\r' && byte != '\n'; });
  if (begun && requests == limits.requests) {
    break_off("more than " + std::to_string(limits.requests) + " requests");
    return 0;
  }
  if (!feed(piece)) {
    break_off(htp.why());
  } else if (htp.has_line()) {
    whole_line(offset + size, events);
  } else if (piece.back() == '\n') {
    begun = false;  // an empty line
    head_bytes = 0;
  }
  return size;
}

void HtpRequests::Parser::whole_line(uint64_t at_offset, Events& events) {
  ++requests;
  request.set_line(htp.request());
  at = At::headers;
  header_line = 0;
  events.line(request, at_offset);
}

// Of these, those up to the empty line that ends the head. Or up to a line that begins with CR and may not be that:
// libhtp takes one of several CRs for the continuation of the line before, but only where it does not see both in one
// piece.
size_t HtpRequests::Parser::header_bytes(ByteView bytes) {
  for (size_t from = 0; from < bytes.size();) {
    const auto* const end = static_cast<const uint8_t*>(std::memchr(bytes.data() + from, '\n', bytes.size() - from));
    const size_t to = end != nullptr ? static_cast<size_t>(end - bytes.data()) : bytes.size();
    const bool begins_with_cr = header_line == 0 && to != from && bytes[from] == '\r';
    const bool only_cr = begins_with_cr && to == from + 1;
    if (begins_with_cr && !(only_cr && end != nullptr) && from != 0) return from;
    if (to != from) header_line = only_cr ? 1 : 2;
    if (end == nullptr) return bytes.size();
    if (header_line < 2) return to + 1;
    header_line = 0;
    from = to + 1;
  }
  return bytes.size();
}

size_t HtpRequests::Parser::headers(ByteView bytes, Events& events) {
  size_t size = in_limit(bytes.size());
  size = header_bytes(bytes.first(size));
  if (size == 0) return 0;
  request.add_raw(bytes.first(size));
  const bool going_on = feed(bytes.first(size));
  if (htp.has_head()) whole_head(offset + size, events);
  if (!going_on) break_off(htp.why());
  return size;
}

void HtpRequests::Parser::whole_head(uint64_t at_offset, Events& events) {
  request.set_head(htp.body().framing != Framing::none);
  events.head(request, at_offset);
  body.start(htp.body());
  at = htp.body().framing == Framing::none ? At::open_body : At::body;
  if (at == At::body && body.done()) end(at_offset, events);
}

size_t HtpRequests::Parser::sized_body(ByteView bytes, Events& events) {
  const size_t size =
      body.take(bytes, [&](ByteView content, size_t used) { events.body(request, content, offset + used); });
  if (!body.why().empty())
    break_off(std::string(body.why()));
  else if (body.done())
    end(offset + size, events);
  return size;
}

// As much of the body as is known for such, in as few pieces as there can be: it may be all empty lines.
size_t HtpRequests::Parser::open_body(ByteView bytes, Events& events) {
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
    size_t taken = 0;
    const Boundary::Found found = boundary.take(bytes.subspan(i++, 1), taken);
    const ByteView pending = boundary.pending();
    if (found == Boundary::Found::body) {
      if (pending.size() > i) give(pending, i);  // some came before
      boundary.clear();
    } else if (found == Boundary::Found::request) {
      if (given + pending.size() < i) give(bytes.subspan(given, i - pending.size() - given), i - pending.size());
      end(offset + i, events);
      take_again(pending, offset + i, events);
      boundary.clear();
      return i;
    }
  }
  const size_t pending = boundary.pending().size();
  if (given + pending < bytes.size())
    give(bytes.subspan(given, bytes.size() - pending - given), bytes.size() - pending);
  return bytes.size();
}

void HtpRequests::Parser::end(uint64_t at_offset, Events& events) {
  events.end(request, at_offset);
  request.clear();
  body.start({.framing = Framing::length});  // lets go of what it held
  htp.drop();
  at = At::line;
  begun = false;
  head_bytes = 0;
}

void HtpRequests::Parser::finish(Events& events) {
  if (at == At::line && !begun) at = At::over;
  if (at == At::line || at == At::headers) {
    const bool before_line = at == At::line;
    htp.close();
    if (before_line && htp.has_line()) whole_line(offset, events);
    if (htp.has_head()) whole_head(offset, events);
  }
  if (at == At::open_body && !boundary.pending().empty())
    body.add(boundary.pending(), [&](ByteView content, size_t) { events.body(request, content, offset); });
  if (at == At::open_body || at == At::body) end(offset, events);
  at = At::over;
}

HtpRequests::HtpRequests(const Limits& limits) : parser_(std::make_unique<Parser>(limits)) {}
HtpRequests::~HtpRequests() = default;

void HtpRequests::take(ByteView bytes, Events& events) {
  parser_->take(bytes, events);
}

void HtpRequests::finish(Events& events) {
  parser_->finish(events);
}

std::string_view HtpRequests::broken() const {
  return parser_->broken;
}

}  // namespace skep::reference
