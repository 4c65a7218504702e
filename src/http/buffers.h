// The parts of one HTTP request in the forms that rules look at, as Suricata 7 makes them. What is not as it came is
// put together when it is asked for. One thread at a time.
#pragma once

#include <array>

#include "http/head.h"
#include "http/requests.h"
#include "http/uri.h"

namespace skep::http {

class Buffers {
 public:
  std::optional<ByteView> buffer(formats::RuleBuffer which);

  void begin(const HeadBytes& bytes);
  Head& head() { return head_; }
  // The line, which ends there. False: it is CONNECT's and names no host, and nothing can be made of it.
  bool read_line(size_t end);
  // The headers were read. `whole`: with the empty line behind them.
  void set_head(bool whole);
  // A head that is whole and was read before.
  void read_again();
  // The caller's bytes go.
  void forget_formed();
  size_t bytes_held() const { return sizeof *this + head_.bytes_held() + formed_.capacity(); }

 private:
  enum class At : uint8_t { nothing, line, head };
  enum Form : uint8_t { kUri, kHost, kHostOfUri, kHeader, kHeaderNames, kStart, kForms };
  struct Formed {
    bool there = false;
    uint32_t from = 0;
    uint32_t size = 0;
  };

  std::optional<ByteView> of_line(formats::RuleBuffer which);
  std::optional<ByteView> of_head(formats::RuleBuffer which);
  std::optional<ByteView> uri();
  std::optional<ByteView> host();
  std::optional<ByteView> host_raw();
  std::optional<ByteView> header();
  std::optional<ByteView> header_names();
  std::optional<ByteView> start();
  template <typename Deed>
  ByteView formed(Form which, Deed deed);
  bool is_connect() const { return as_text(*head_.method()) == "CONNECT"; }
  Uri split() const;
  std::optional<ByteView> host_of_uri() const;
  void reserve();

  Head head_;
  At at_ = At::nothing;
  bool whole_ = false;
  Bytes formed_;  // one behind the other
  std::array<Formed, kForms> forms_{};
};

}  // namespace skep::http
