// The parts of one HTTP request in the forms that rules look at, as Suricata 7 makes them of what libhtp read. One
// thread at a time.
#pragma once

#include <array>

#include "http/requests.h"

struct htp_tx_t;

namespace skep::reference {

class HtpBuffers final : public http::Request {
 public:
  std::optional<ByteView> buffer(formats::RuleBuffer which) override;
  bool promises_body() const override { return promises_body_; }

  void set_line(htp_tx_t* request) { request_ = request; }
  void add_raw(ByteView bytes) { raw_.insert(raw_.end(), bytes.begin(), bytes.end()); }
  void set_head(bool promises_body) {
    head_ = true;
    promises_body_ = promises_body;
  }
  void clear();

 private:
  enum Formed : uint8_t { kUri, kHeader, kHeaderNames, kStart, kFormed };
  std::optional<ByteView> of_line(formats::RuleBuffer which);
  std::optional<ByteView> of_head(formats::RuleBuffer which);
  std::optional<ByteView> value(const char* name) const;
  std::optional<ByteView> host_raw() const;
  template <typename Form>
  std::optional<ByteView> formed(Formed which, Form form);
  void form_uri(Bytes& out) const;
  void form_header(Bytes& out) const;
  void form_header_names(Bytes& out) const;
  void form_start(Bytes& out) const;

  htp_tx_t* request_ = nullptr;
  bool head_ = false;
  bool promises_body_ = false;
  Bytes raw_;  // the header lines as they came, with the empty one
  std::array<Bytes, kFormed> bytes_;
  std::array<bool, kFormed> is_formed_{};
};

}  // namespace skep::reference
