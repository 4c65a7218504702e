// HTTP requests in what a client sends: several on a connection, whole or in pieces. One request's parts are given in
// the forms in which rules look for them (those of Suricata 7). One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "formats/rule.h"

namespace skep::http {

struct Limits {
  size_t head_bytes = 65'536;           // of one request: more is no HTTP any more
  size_t body_bytes = size_t{1} << 20;  // of one request, packed or not, that are looked at; the rest is passed over
  size_t unpacked_ratio = 100;  // a body of over 64 KiB that grew more than so many times is given on no further
  size_t requests = 10'000;     // of one connection
};

class Request {
 public:
  virtual ~Request() = default;
  // One of the http_ buffers but the body: of a line before its head is whole only those of the line. nullopt: the
  // request has none, or not yet. It can be asked for until the request has ended; what was given lies there until
  // then, but no longer than the call lasts that the event came in.
  virtual std::optional<ByteView> buffer(formats::RuleBuffer which) = 0;
  // Its head is whole, and says that a body follows.
  virtual bool promises_body() const = 0;
};

// What happens, in this order: line, head, body (any number), end. `stream_offset`: of the client's bytes, those that
// were needed for it are before. It is the same however they were cut; only the bodies come in other pieces.
// What has no protocol in its line is read on as if it had one: HTTP/0.9 has its head whole with an empty line, or with
// the connection's end. A request that does not say how long its body is (nearly every GET) ends where the next one
// begins, or the connection; whatever else follows it is its body.
class Events {
 public:
  virtual ~Events() = default;
  virtual void line(Request& request, uint64_t stream_offset) = 0;
  virtual void head(Request& request, uint64_t stream_offset) = 0;
  // Without the marks of chunks, unpacked.
  virtual void body(Request& request, ByteView bytes, uint64_t stream_offset) = 0;
  virtual void end(Request& request, uint64_t stream_offset) = 0;
};

class Buffers;

// What is made of the request that is read: a thread's, which its connections have in turn.
class Scratch {
 public:
  Scratch();
  ~Scratch();

 private:
  friend class Requests;
  std::unique_ptr<Buffers> spare_;
};

class Requests {
 public:
  explicit Requests(const Limits& limits);
  ~Requests();
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  // Without a scratch it has memory of its own, and keeps it.
  void take(ByteView bytes, Events& events, Scratch* scratch = nullptr);
  // The client sends no more: what has begun of a head is all of it. The last call.
  void finish(Events& events, Scratch* scratch = nullptr);
  // A request has begun, and its head is not whole. Empty lines before it do not begin it.
  bool in_head() const;
  // What follows is not read as HTTP, and no more events come, not even an end: why, for a person; "": it is.
  std::string_view broken() const;
  size_t bytes_held() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace skep::http
