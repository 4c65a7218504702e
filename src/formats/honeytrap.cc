#include "formats/honeytrap.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/text.h"

namespace skep::formats {
namespace {

namespace json = boost::json;

constexpr size_t kBlockBytes = 64 << 10;
constexpr size_t kTextMax = 256;  // of any value but data_hex: what is longer is none of those that are looked for
constexpr std::string_view kBetween = " \t\r\n,";         // values, a line each
constexpr std::string_view kBehindDamage = " \t\r\n,]}";  // of an array that was left in its midst

enum class Key : uint8_t {
  other,
  attack_connection,
  proxy_connection,
  payload,
  protocol,
  remote_ip,
  remote_port,
  local_ip,
  local_port,
  length,
  data_hex,
  md5_hash,
  sha512_hash,
  start_time,
  end_time,
};
struct KeyName {
  std::string_view name;
  Key key;
};
constexpr KeyName kKeys[] = {{"attack_connection", Key::attack_connection},
                             {"proxy_connection", Key::proxy_connection},
                             {"payload", Key::payload},
                             {"protocol", Key::protocol},
                             {"remote_ip", Key::remote_ip},
                             {"remote_port", Key::remote_port},
                             {"local_ip", Key::local_ip},
                             {"local_port", Key::local_port},
                             {"length", Key::length},
                             {"data_hex", Key::data_hex},
                             {"md5_hash", Key::md5_hash},
                             {"sha512_hash", Key::sha512_hash},
                             {"start_time", Key::start_time},
                             {"end_time", Key::end_time}};

int hex_value(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

std::string digest(const char* algorithm, ByteView bytes) {
  std::array<uint8_t, EVP_MAX_MD_SIZE> made{};
  size_t length = 0;
  if (EVP_Q_digest(nullptr, algorithm, nullptr, bytes.data(), bytes.size(), made.data(), &length) != 1) return "";
  return hex(ByteView(made).first(length));
}

// Hexadecimal digits as they come.
class Hex {
 public:
  void take(std::string_view digits, HoneytrapPayload& payload) {
    for (const char letter : digits) {
      const int value = hex_value(letter);
      if (value < 0) wrong_ = true;
      if (wrong_) return;
      if (high_ && payload.bytes.size() >= kHoneytrapPayloadMax) too_long_ = true;
      if (too_long_) return;
      if (high_) payload.bytes.push_back(static_cast<uint8_t>(*high_ << 4 | value));
      high_ = high_ ? std::nullopt : std::optional(value);
    }
  }
  void end(HoneytrapPayload& payload) {
    if (wrong_) payload.doubts.emplace_back("data_hex is not hexadecimal to its end");
    if (too_long_) payload.doubts.emplace_back("data_hex is longer than 64 MiB");
    if (high_ && !wrong_ && !too_long_) payload.doubts.emplace_back("data_hex ends within a byte");
    *this = {};
  }

 private:
  std::optional<int> high_;
  bool wrong_ = false;
  bool too_long_ = false;
};

// What is said of a payload beside its bytes.
struct Said {
  std::string md5;
  std::string sha512;
  std::optional<uint64_t> length;
};

void check(const Said& said, HoneytrapPayload& payload) {
  payload.length = said.length.value_or(payload.bytes.size());
  if (payload.length != payload.bytes.size())
    payload.doubts.push_back(
        fmt::format("length says {} bytes, data_hex has {}", payload.length, payload.bytes.size()));
  if (!said.md5.empty() && said.md5 != digest("MD5", payload.bytes))
    payload.doubts.emplace_back("md5_hash does not agree with data_hex");
  if (!said.sha512.empty() && said.sha512 != digest("SHA512", payload.bytes))
    payload.doubts.emplace_back("sha512_hash does not agree with data_hex");
}

// Takes what the parser tells. An attack is an object with `attack_connection`, wherever it stands.
class Handler {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Error = json::error_code;

  explicit Handler(const std::function<bool(HoneytrapAttack&&)>& take) : take_(take) {}

  uint64_t attacks() const { return attacks_; }
  bool stopped() const { return stopped_; }
  // An attack was begun, and is not whole.
  void begin_anew() {
    open_.clear();
    key_.clear();
    text_.clear();
    hex_ = {};
    begin_attack();
  }

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) {
    // One that stands in an array, or alone, may be an attack; what is a value of another belongs to that.
    if ((open_.empty() || open_.back().is_array) && !within_attack()) begin_attack();
    open_.push_back({});
    return true;
  }
  bool on_object_end(std::size_t, Error& error) {
    const bool attack = open_.back().is_attack;
    open_.pop_back();
    if (!attack) return true;
    ++attacks_;
    check(said_[0], attack_.received);
    check(said_[1], attack_.proxied);
    stopped_ = !take_(std::move(attack_));
    begin_attack();
    if (stopped_) error = json::error::incomplete;
    return !stopped_;
  }
  bool on_array_begin(Error&) {
    open_.push_back({.is_array = true});
    return true;
  }
  bool on_array_end(std::size_t, Error&) {
    open_.pop_back();
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, Error&) { return add(key_, part); }
  bool on_key(json::string_view part, std::size_t, Error&) {
    add(key_, part);
    const auto* const known = std::ranges::find(kKeys, key_, &KeyName::name);
    key_.clear();
    Open& open = open_.back();
    open.key = known == std::end(kKeys) ? Key::other : known->key;
    open.is_attack |= open.key == Key::attack_connection;
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, Error&) {
    if (key() != Key::data_hex) return add(text_, part);
    if (const auto side = payload_side()) hex_.take({part.data(), part.size()}, payload(*side));
    return true;
  }
  bool on_string(json::string_view part, std::size_t size, Error& error) {
    on_string_part(part, size, error);
    if (key() == Key::data_hex) {
      if (const auto side = payload_side()) hex_.end(payload(*side));
    } else {
      text(std::exchange(text_, {}));
    }
    return true;
  }
  bool on_number_part(json::string_view, Error&) { return true; }
  bool on_int64(int64_t value, json::string_view, Error&) {
    if (value >= 0) number(static_cast<uint64_t>(value));
    return true;
  }
  bool on_uint64(uint64_t value, json::string_view, Error&) {
    number(value);
    return true;
  }
  bool on_double(double, json::string_view, Error&) { return true; }
  bool on_bool(bool, Error&) { return true; }
  bool on_null(Error&) { return true; }
  bool on_comment_part(json::string_view, Error&) { return true; }
  bool on_comment(json::string_view, Error&) { return true; }

 private:
  // An object or array that is not closed, and the key that was read last in it.
  struct Open {
    Key key = Key::other;
    bool is_attack = false;
    bool is_array = false;
  };

  static bool add(std::string& text, json::string_view part) {
    text.append(part.data(), std::min(part.size(), kTextMax - std::min(kTextMax, text.size())));
    return true;
  }
  void begin_attack() {
    attack_ = {};
    said_[0] = said_[1] = {};
  }
  bool within_attack() const { return std::ranges::any_of(open_, &Open::is_attack); }
  Key key(size_t up = 0) const { return up < open_.size() ? open_[open_.size() - 1 - up].key : Key::other; }
  // Of which connection what is read now is the `payload`: 0 the attack's, 1 the proxy's.
  std::optional<size_t> payload_side() const { return key(1) == Key::payload ? side(2) : std::nullopt; }
  std::optional<size_t> side(size_t up) const {
    if (key(up) == Key::attack_connection) return 0;
    return key(up) == Key::proxy_connection ? std::optional<size_t>(1) : std::nullopt;
  }
  HoneytrapPayload& payload(size_t side) { return side == 0 ? attack_.received : attack_.proxied; }

  void text(const std::string& value) {
    if (const auto of = payload_side()) {
      if (key() == Key::md5_hash) said_[*of].md5 = value;
      if (key() == Key::sha512_hash) said_[*of].sha512 = value;
      return;
    }
    if (key() == Key::start_time) attack_.start_ns = parse_time(value).value_or(0);
    if (key() == Key::end_time) attack_.end_ns = parse_time(value).value_or(0);
    if (side(1) != 0) return;
    if (key() == Key::protocol) attack_.protocol = value;
    if (key() == Key::remote_ip) address(value, attack_.remote);
    if (key() == Key::local_ip) address(value, attack_.local);
  }
  static void address(const std::string& text, Endpoint& end) {
    const auto read = parse_endpoint(text.find(':') == std::string::npos ? text : "[" + text + "]");
    if (read) end.address = read->address;
  }
  void number(uint64_t value) {
    if (const auto of = payload_side()) {
      if (key() == Key::length) said_[*of].length = value;
      return;
    }
    if (side(1) != 0 || value > UINT16_MAX) return;
    if (key() == Key::remote_port) attack_.remote.port = static_cast<uint16_t>(value);
    if (key() == Key::local_port) attack_.local.port = static_cast<uint16_t>(value);
  }

  const std::function<bool(HoneytrapAttack&&)>& take_;
  uint64_t attacks_ = 0;
  bool stopped_ = false;
  std::vector<Open> open_;  // the parser bounds its depth
  std::string key_;
  std::string text_;
  Hex hex_;
  HoneytrapAttack attack_;
  Said said_[2];
};

// One value after the other; behind damage goes on at the next line.
class Lines {
 public:
  explicit Lines(const std::function<bool(HoneytrapAttack&&)>& take) : parser_(options(), take) {}

  // False: no more is wanted.
  bool take(std::string_view text) {
    while (!text.empty()) {
      if (skipping_) {
        text.remove_prefix(pass(text, std::min(text.find('\n'), text.size())));
        skipping_ = text.empty();
        continue;
      }
      if (!within_) {
        const std::string_view none = behind_damage_ ? kBehindDamage : kBetween;
        text.remove_prefix(pass(text, std::min(text.find_first_not_of(none), text.size())));
        if (text.empty()) return true;
        within_ = true;
      }
      json::error_code error;
      text.remove_prefix(pass(text, parser_.write_some(true, text.data(), text.size(), error)));
      if (parser_.handler().stopped()) return false;
      if (error) {
        damaged(error.message());
      } else if (parser_.done()) {
        begin_anew();
      }
    }
    return true;
  }
  HoneytrapRead end() {
    if (within_ && !parser_.handler().stopped()) damaged("the text ends within a value");
    read_.attacks = parser_.handler().attacks();
    return std::move(read_);
  }

 private:
  static json::parse_options options() {
    json::parse_options options;
    options.allow_invalid_utf8 = true;  // what is looked for is ASCII; what else there is may be the attacker's
    return options;
  }
  size_t pass(std::string_view text, size_t bytes) {
    line_ += static_cast<uint64_t>(std::ranges::count(text.substr(0, bytes), '\n'));
    return bytes;
  }
  void begin_anew() {
    parser_.reset();
    parser_.handler().begin_anew();
    within_ = false;
  }
  void damaged(const std::string& why) {
    ++read_.damages;
    if (read_.damage.size() < HoneytrapRead::kDamageMax) read_.damage.push_back(fmt::format("line {}: {}", line_, why));
    behind_damage_ = true;
    skipping_ = true;
    begin_anew();
  }

  json::basic_parser<Handler> parser_;
  HoneytrapRead read_;
  uint64_t line_ = 1;
  bool within_ = false;         // a value
  bool skipping_ = false;       // to the end of a line
  bool behind_damage_ = false;  // what closes an array or object that was left is no damage of its own
};

}  // namespace

bool looks_like_honeytrap(std::string_view beginning) {
  beginning.remove_prefix(std::min(beginning.find_first_not_of(" \t\r\n["), beginning.size()));
  return beginning.starts_with('{');
}

HoneytrapRead read_honeytrap(const std::function<size_t(std::span<uint8_t> room)>& source,
                             const std::function<bool(HoneytrapAttack&&)>& take) {
  Lines lines(take);
  Bytes block(kBlockBytes);
  for (size_t filled = 0; (filled = source(block)) > 0;) {
    if (!lines.take(as_text(ByteView(block).first(filled)))) break;
  }
  return lines.end();
}

}  // namespace skep::formats
