// RequestSide: a session's HTTP requests, held against the rules that speak of requests. One thread at a time.
#pragma once

#include <memory>
#include <vector>

#include "http/requests.h"
#include "payload/candidates.h"
#include "payload/sight.h"

namespace skep::payload {

class RequestSide final : private http::Events, private BufferSource {
 public:
  static constexpr size_t kFromStreamMax = 256;

  // `stream`: what is in sight of the stream; it holds the bytes before they are given here. `from_stream`: what was
  // found in it before it was known that it is HTTP.
  RequestSide(SessionRules& session, const Sight& stream, std::vector<Candidate> from_stream);

  // The first look of a rule on requests was found in the stream itself.
  void found_in_stream(uint32_t rule, uint64_t stream_offset);
  void take(ByteView bytes, uint64_t message_start, Scratch::Parts& scratch);
  void finish(Scratch::Parts& scratch);
  // Bits have changed: rules may hold that waited for them.
  void judge_again(Scratch::Parts& scratch);

  bool in_head() const { return requests_.in_head(); }
  std::string_view broken() const { return requests_.broken(); }
  size_t bytes_held() const;

 private:
  enum class Stage : uint8_t { none, line, head, body, end };

  void line(http::Request& request, uint64_t stream_offset) override;
  void head(http::Request& request, uint64_t stream_offset) override;
  void body(http::Request& request, ByteView bytes, uint64_t stream_offset) override;
  void end(http::Request& request, uint64_t stream_offset) override;
  Look look(const Part& part) override;
  Look look_at_head(const formats::BufferUse& where);
  Look look_at_body(const Part& part);
  ByteView transformed_once(ByteView bytes, const formats::BufferUse& where);
  void look_first(Stage stage);
  void add_found(const LiteralGroup& group, const Findings& findings);
  void judge();

  SessionRules& session_;
  const Sight& stream_;
  http::Requests requests_;
  Scratch::Parts* scratch_ = nullptr;  // for the time of a call
  http::Request* request_ = nullptr;   // likewise, of an event
  Stage stage_ = Stage::none;
  uint64_t offset_ = 0;
  uint64_t message_start_ = 0;
  Candidates candidates_;
  std::vector<Candidate> from_stream_;  // whose request may not have begun: at most kFromStreamMax
  // Of the request under way.
  struct Body {
    Sight sight;
    LiteralStream literals;
  };
  std::unique_ptr<Body> body_;  // nullptr: none has come
  std::vector<std::pair<const formats::BufferUse*, Bytes>> transformed_;
};

}  // namespace skep::payload
