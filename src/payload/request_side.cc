#include "payload/request_side.h"

#include <algorithm>

#include "payload/transforms.h"

namespace skep::payload {
namespace {

using formats::RuleBuffer;

// What is known when a request's first line is whole.
bool of_line(RuleBuffer buffer) {
  switch (buffer) {
    case RuleBuffer::http_uri:
    case RuleBuffer::http_uri_raw:
    case RuleBuffer::http_method:
    case RuleBuffer::http_protocol:
    case RuleBuffer::http_request_line:
      return true;
    default:
      return false;
  }
}

}  // namespace

RequestSide::RequestSide(SessionRules& session, const Sight& stream, std::vector<Candidate> from_stream)
    : session_(session), stream_(stream), requests_(http::Limits{}), from_stream_(std::move(from_stream)) {}

void RequestSide::found_in_stream(uint32_t rule, uint64_t stream_offset) {
  if (stage_ != Stage::none) candidates_.add(rule, stream_offset);
  if (from_stream_.size() < kFromStreamMax) from_stream_.push_back({rule, stream_offset});
}

void RequestSide::take(ByteView bytes, uint64_t message_start, Scratch::Parts& scratch) {
  scratch_ = &scratch;
  message_start_ = message_start;
  requests_.take(bytes, *this, &scratch.http);
}

void RequestSide::finish(Scratch::Parts& scratch) {
  scratch_ = &scratch;
  requests_.finish(*this, &scratch.http);
}

void RequestSide::judge_again(Scratch::Parts& scratch) {
  scratch_ = &scratch;
  judge();
}

void RequestSide::line(http::Request& request, uint64_t stream_offset) {
  request_ = &request;
  offset_ = stream_offset;
  candidates_.clear();
  for (const uint32_t rule : session_.compiled().request_always) candidates_.add(rule, Candidates::kStays);
  for (const Candidate& each : from_stream_) candidates_.add(each.rule, each.seen_at);
  look_first(Stage::line);
  judge();
}

void RequestSide::head(http::Request& request, uint64_t stream_offset) {
  request_ = &request;
  offset_ = stream_offset;
  look_first(Stage::head);
  judge();
}

void RequestSide::body(http::Request& request, ByteView bytes, uint64_t stream_offset) {
  request_ = &request;
  offset_ = stream_offset;
  stage_ = Stage::body;
  if (!body_) body_ = std::make_unique<Body>();
  const LiteralGroup& group = session_.compiled().body;
  body_->sight.begin(bytes);
  for (ByteView piece = body_->sight.next(); !piece.empty(); piece = body_->sight.next()) {
    add_found(group, scratch_->look(group, body_->literals, piece));
    judge();
  }
  body_->sight.leave();
}

void RequestSide::end(http::Request& request, uint64_t stream_offset) {
  request_ = &request;
  offset_ = stream_offset;
  stage_ = Stage::end;
  judge();
  candidates_.clear();
  std::erase_if(from_stream_, [&](const Candidate& each) { return each.seen_at <= stream_offset; });
  body_.reset();
  transformed_.clear();
  stage_ = Stage::none;
  request_ = nullptr;
}

// The literals of what has become known with this stage.
void RequestSide::look_first(Stage stage) {
  stage_ = stage;
  for (const LiteralGroup& group : session_.compiled().heads) {
    if (of_line(group.where.buffer) != (stage == Stage::line)) continue;
    const Look look = look_at_head(group.where);
    if (look.presence != Presence::there) continue;
    add_found(group, scratch_->look(group, look.view.bytes));
  }
}

void RequestSide::add_found(const LiteralGroup& group, const Findings& findings) {
  for (const uint32_t literal : findings.found()) {
    for (const uint32_t rule : group.rules[literal]) {
      if (!session_.said(rule)) candidates_.add(rule, offset_);
    }
  }
}

void RequestSide::judge() {
  if (stage_ == Stage::none) return;
  do {
    candidates_.judge([this](Candidate& each) {
      return session_.judge(each, *this, offset_, message_start_, *scratch_) != Holds::open;
    });
  } while (session_.bits_changed());
}

Look RequestSide::look(const Part& part) {
  const RuleBuffer buffer = part.where.buffer;
  if (buffer == RuleBuffer::payload) {
    // Of nearly every request the head is all there is, and it is judged before anything is sent on.
    const bool whole = stage_ == Stage::end || (stage_ == Stage::head && !request_->promises_body());
    return {Presence::there, stream_.view(part.anchored ? message_start_ : 0, offset_, whole)};
  }
  return is_body(buffer) ? look_at_body(part) : look_at_head(part.where);
}

Look RequestSide::look_at_head(const formats::BufferUse& where) {
  const auto bytes = request_->buffer(where.buffer);
  if (!bytes) return {stage_ == Stage::line && !of_line(where.buffer) ? Presence::awaited : Presence::absent, {}};
  return {Presence::there, {transformed_once(*bytes, where), 0, true}};
}

Look RequestSide::look_at_body(const Part& part) {
  const bool complete = stage_ == Stage::end;
  if (!body_) return {complete ? Presence::absent : Presence::awaited, {}};
  View view = body_->sight.view(0, UINT64_MAX, complete);
  if (part.where.transforms.empty()) return {Presence::there, view};
  // A transform wants all of it.
  if (!complete) return {Presence::awaited, {}};
  if (view.start != 0) {
    ++session_.counts.out_of_window;
    return {};
  }
  view.bytes = transformed_once(view.bytes, part.where);
  return {Presence::there, view};
}

ByteView RequestSide::transformed_once(ByteView bytes, const formats::BufferUse& where) {
  if (where.transforms.empty()) return bytes;
  for (const auto& [of, there] : transformed_) {
    if (*of == where) return there;
  }
  transformed_.emplace_back(&where, transformed(bytes, where.transforms));
  return transformed_.back().second;
}

size_t RequestSide::bytes_held() const {
  size_t bytes = sizeof(*this) + requests_.bytes_held() + candidates_.bytes_held();
  if (body_) bytes += sizeof(Body) + body_->sight.bytes_held() + session_.compiled().body.set.stream_bytes();
  for (const auto& each : transformed_) bytes += each.second.capacity();
  return bytes;
}

}  // namespace skep::payload
