#include "http/requests.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "http/body.h"
#include "http/boundary.h"
#include "http/buffers.h"
#include "http/framing.h"

namespace skep::http {

// Where the bytes are. Each step takes as many as belong to one part; parts follow each other thus:
//   line -> headers
//   headers -> body | open_body | line
//   body -> line        one that says how long it is
//   open_body -> line   one that does not: up to what looks like a request
struct Requests::Parser final : Request {
  enum class At : uint8_t { line, headers, body, open_body, over };
  // How much of the head was read. A whole one can be read again.
  enum class Known : uint8_t { nothing, line, head };

  explicit Parser(const Limits& given) : limits(given), body(given) {}

  std::optional<ByteView> buffer(formats::RuleBuffer which) override { return buffers().buffer(which); }
  bool promises_body() const override { return body_promised; }

  void take(ByteView bytes, Events& events);
  void take_steps(ByteView bytes, Events& events);
  void leave();
  void take_again(ByteView kept, uint64_t end_offset, Events& events);
  size_t step(ByteView bytes, Events& events);
  size_t line(ByteView bytes, Events& events);
  size_t headers(ByteView bytes, Events& events);
  size_t sized_body(ByteView bytes, Events& events);
  size_t open_body(ByteView bytes, Events& events);
  size_t line_size(ByteView bytes);
  void whole_line(uint64_t at_offset, Events& events);
  void whole_head(const BodyKind& kind, uint64_t at_offset, Events& events);
  void cut_short(Events& events);
  void end(uint64_t at_offset, Events& events);
  void finish(Events& events);
  void break_off(std::string reason);
  void break_off_headers();
  Buffers& buffers();

  const Limits limits;
  HeadBytes head;
  std::unique_ptr<Buffers> made;  // of the head; see buffers()
  Scratch* scratch = nullptr;     // for the time of a call
  Body body;
  Boundary boundary;
  At at = At::line;
  Known known = Known::nothing;
  bool body_promised = false;
  bool begun = false;   // a byte that is no empty line's
  uint64_t offset = 0;  // of the stream, what this step begins with
  size_t requests = 0;  // that had a line
  std::string broken;
};

void Requests::Parser::take(ByteView bytes, Events& events) {
  take_steps(bytes, events);
  leave();
}

// The call is over.
void Requests::Parser::leave() {
  head.keep();
  if (made) made->forget_formed();
  if (scratch == nullptr || known == Known::line) return;
  if (!scratch->spare_) scratch->spare_ = std::move(made);
  made.reset();
}

void Requests::Parser::take_steps(ByteView bytes, Events& events) {
  while (!bytes.empty() && at != At::over) {
    const size_t used = step(bytes, events);
    offset += used;
    bytes = bytes.subspan(used);
  }
}

// Bytes that were kept until it was known what they belong to.
void Requests::Parser::take_again(ByteView kept, uint64_t end_offset, Events& events) {
  const uint64_t step_offset = std::exchange(offset, end_offset - kept.size());
  take_steps(kept, events);
  head.keep();
  offset = step_offset;
}

Buffers& Requests::Parser::buffers() {
  if (made) return *made;
  made = scratch != nullptr && scratch->spare_ ? std::move(scratch->spare_) : std::make_unique<Buffers>();
  made->begin(head);
  if (known == Known::head) made->read_again();
  return *made;
}

size_t Requests::Parser::step(ByteView bytes, Events& events) {
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

void Requests::Parser::break_off(std::string reason) {
  if (at == At::line) head.clear();
  broken = std::move(reason);
  at = At::over;
}

void Requests::Parser::break_off_headers() {
  break_off("more than " + std::to_string(kHeaders) + " headers");
}

// How many of the bytes belong to this line, as many as the head may still have. 0: it is too long.
size_t Requests::Parser::line_size(ByteView bytes) {
  const size_t left = limits.head_bytes - head.all().size();
  if (left == 0) break_off("a request's head is longer than " + std::to_string(limits.head_bytes) + " bytes");
  if (bytes.size() > left) bytes = bytes.first(left);
  const auto* const end = static_cast<const uint8_t*>(std::memchr(bytes.data(), '\n', bytes.size()));
  return end != nullptr ? static_cast<size_t>(end - bytes.data()) + 1 : bytes.size();
}

size_t Requests::Parser::line(ByteView bytes, Events& events) {
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

void Requests::Parser::whole_line(uint64_t at_offset, Events& events) {
  if (!buffers().read_line(head.all().size())) return break_off("CONNECT names no host");
  ++requests;
  at = At::headers;
  known = Known::line;
  events.line(*this, at_offset);
}

size_t Requests::Parser::headers(ByteView bytes, Events& events) {
  size_t used = 0;
  while (used < bytes.size() && at == At::headers) {
    const size_t size = line_size(bytes.subspan(used));
    if (size == 0) break;
    head.add(bytes.subspan(used, size));
    used += size;
    if (bytes[used - 1] != '\n') continue;
    const Head::Line line = buffers().head().read_header_line(head.all().size());
    if (line == Head::Line::one_too_many)
      break_off_headers();
    else if (line == Head::Line::last)
      whole_head(body_kind(buffers().head()), offset + used, events);
  }
  return used;
}

void Requests::Parser::whole_head(const BodyKind& kind, uint64_t at_offset, Events& events) {
  buffers().set_head(true);
  known = Known::head;
  body_promised = kind.framing != Framing::none;
  events.head(*this, at_offset);
  if (!kind.why.empty()) return break_off(std::string(kind.why));
  body.start(kind);
  at = kind.framing == Framing::none ? At::open_body : At::body;
  if (at == At::body && body.done()) end(at_offset, events);
}

// The connection ends in the midst of a head.
void Requests::Parser::cut_short(Events& events) {
  if (at == At::line) whole_line(offset, events);
  if (at != At::headers) return;
  if (!buffers().head().cut_short()) return break_off_headers();
  buffers().set_head(false);
  events.head(*this, offset);
  end(offset, events);
}

size_t Requests::Parser::sized_body(ByteView bytes, Events& events) {
  const size_t size =
      body.take(bytes, [&](ByteView content, size_t used) { events.body(*this, content, offset + used); });
  if (!body.why().empty())
    break_off(std::string(body.why()));
  else if (body.done())
    end(offset + size, events);
  return size;
}

// As much of the body as is known for such, in as few pieces as there can be: it may be all empty lines.
size_t Requests::Parser::open_body(ByteView bytes, Events& events) {
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
    const Boundary::Found found = boundary.take(bytes.subspan(i), taken);
    i += taken;
    const ByteView pending = boundary.pending();
    if (found == Boundary::Found::body) {
      if (pending.size() > i) give(pending, i);  // some came before
      boundary.clear();
    } else if (found == Boundary::Found::request) {
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

void Requests::Parser::end(uint64_t at_offset, Events& events) {
  events.end(*this, at_offset);
  head.clear();
  if (made) made->begin(head);
  known = Known::nothing;
  body_promised = false;
  body.start({.framing = Framing::length});  // lets go of what it held
  at = At::line;
  begun = false;
}

void Requests::Parser::finish(Events& events) {
  if (at == At::open_body && !boundary.pending().empty())
    body.add(boundary.pending(), [&](ByteView content, size_t) { events.body(*this, content, offset); });
  if (at == At::open_body || at == At::body)
    end(offset, events);
  else if (at == At::headers || (at == At::line && begun))
    cut_short(events);
  at = At::over;
  leave();
}

Scratch::Scratch() = default;
Scratch::~Scratch() = default;

Requests::Requests(const Limits& limits) : parser_(std::make_unique<Parser>(limits)) {}
Requests::~Requests() = default;

void Requests::take(ByteView bytes, Events& events, Scratch* scratch) {
  parser_->scratch = scratch;
  parser_->take(bytes, events);
  parser_->scratch = nullptr;
}

void Requests::finish(Events& events, Scratch* scratch) {
  parser_->scratch = scratch;
  parser_->finish(events);
  parser_->scratch = nullptr;
}

bool Requests::in_head() const {
  return (parser_->at == Parser::At::line && parser_->begun) || parser_->at == Parser::At::headers;
}

std::string_view Requests::broken() const {
  return parser_->broken;
}

size_t Requests::bytes_held() const {
  return sizeof *this + sizeof *parser_ + parser_->head.bytes_held() +
         (parser_->made ? parser_->made->bytes_held() : 0) + parser_->body.bytes_held() + parser_->broken.capacity();
}

}  // namespace skep::http
