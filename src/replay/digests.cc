// What may be a digest keyed with the server's nonce.
#include <algorithm>
#include <array>
#include <string_view>

#include "base/ascii.h"
#include "replay/crypto_marks.h"
#include "replay/forms.h"
#include "replay/grams.h"
#include "replay/tokens.h"

namespace skep::replay {

namespace {

// MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
constexpr std::array<size_t, 6> kDigestBytes = {16, 20, 28, 32, 48, 64};
constexpr size_t kWrittenMin = 22;  // 16 bytes in base64, without padding
constexpr auto kIsDigestSize = [] {
  std::array<bool, kDigestBytes.back() + 1> is_one{};
  for (const size_t size : kDigestBytes) is_one[size] = true;
  return is_one;
}();
// Of a message in which a digest may stand behind its length. In a larger one short numbers are so by chance.
constexpr size_t kCountedByOneMax = 160;
constexpr size_t kCountedByTwoMax = 1024;
constexpr size_t kCountedByFourMax = 8192;

// What stands before a value that the client chooses, or that depends on its own bytes alone.
constexpr std::array<std::string_view, 6> kChosenBehind = {
    "sec-websocket-key: ", "boundary=", "content-md5: ", "idempotency-key: ", "sha-256=", "--"};

bool is_digest_size(size_t bytes) {
  return bytes <= kDigestBytes.back() && kIsDigestSize[bytes];
}

// How many digits and padding: of hex or of base64 of a digest.
bool is_written_digest(ByteView word) {
  if (word.size() < kWrittenMin) return false;
  if (std::all_of(word.begin(), word.end(), [](uint8_t c) { return hex_digit(c) >= 0; }))
    return word.size() % 2 == 0 && is_digest_size(word.size() / 2) && is_nonce(word);
  const auto value = read_value(Form::base64, word);
  if (value) return is_digest_size(std::get<Bytes>(*value).size()) && is_nonce(word);
  const auto url = read_value(Form::base64url, word);
  return url && is_digest_size(std::get<Bytes>(*url).size()) && is_nonce(word);
}

// Half of a digest's bytes have their highest bit set; a sixth is what next to none goes below.
bool is_raw_digest(ByteView bytes) {
  const auto high = static_cast<size_t>(std::count_if(bytes.begin(), bytes.end(), [](uint8_t c) { return c >= 0x80; }));
  return is_digest_size(bytes.size()) && 6 * high >= bytes.size() && is_nonce(bytes);
}

class Digests {
 public:
  explicit Digests(Draft& draft) : draft_(draft) {}

  void run() {
    for (uint32_t message = 0; message < draft_.recording().messages.size(); ++message) {
      const ByteView bytes = draft_.bytes(message);
      if (!draft_.is_client(message)) {
        nonce_heard_ = nonce_heard_ || holds_nonce(bytes);
        continue;
      }
      words(message, bytes);
      raw(message, bytes);
      if (!nonce_heard_) before_nonce_ = message + 1;
    }
  }

 private:
  // It was said before any nonce.
  bool is_old(ByteView bytes) {
    for (; said_of_ < before_nonce_; ++said_of_) {
      const ByteView said = draft_.bytes(said_of_);
      if (!draft_.is_client(said_of_)) continue;
      for (size_t at = 0; at + kGramBytes <= said.size(); ++at) said_.insert(gram_at(&said[at]));
    }
    for (size_t at = 0; at + kGramBytes <= bytes.size(); ++at) {
      if (!said_.has(gram_at(&bytes[at]))) return false;
    }
    return true;
  }

  void claim(uint32_t message, size_t at, ByteView digest) {
    const Place place{message, static_cast<uint32_t>(at), static_cast<uint32_t>(digest.size())};
    if (!nonce_heard_ || is_behind_chosen_name(draft_.bytes(message), at))
      draft_.claim(place, Chosen{}, "as long as a digest; nothing that the server said is in it");
    else if (!is_old(digest))
      draft_.claim(place, Unresolved{true}, "as long as a digest, behind a nonce of the server, and no echo of it");
  }

  void words(uint32_t message, ByteView bytes) {
    for (size_t at = 0; at < bytes.size(); ++at) {
      if (!is_base64_letter(bytes[at])) continue;
      size_t end = at;
      while (end < bytes.size() && is_base64_letter(bytes[end])) ++end;
      size_t padded = end;
      while (padded < bytes.size() && padded < end + 2 && bytes[padded] == '=') ++padded;
      if (is_written_digest(bytes.subspan(at, padded - at))) claim(message, at, bytes.subspan(at, padded - at));
      at = end;
    }
  }

  // At the end of a short message, or behind its own length.
  void raw(uint32_t message, ByteView bytes) {
    if (is_text(bytes)) return;
    for (const size_t size : kDigestBytes) {
      if (bytes.size() < size) continue;
      for (const size_t line_end : {0, 1, 2}) {
        if (bytes.size() < size + line_end || bytes.size() > size + line_end + kPrefixBytes) continue;
        const size_t at = bytes.size() - size - line_end;
        if (is_raw_digest(bytes.subspan(at, size))) return claim(message, at, bytes.subspan(at, size));
      }
    }
    counted<Form::u8>(message, bytes, kCountedByOneMax);
    counted<Form::be16>(message, bytes, kCountedByTwoMax);
    counted<Form::le16>(message, bytes, kCountedByTwoMax);
    counted<Form::be32>(message, bytes, kCountedByFourMax);
    counted<Form::le32>(message, bytes, kCountedByFourMax);
  }

  template <Form kForm>
  void counted(uint32_t message, ByteView bytes, size_t message_bytes_max) {
    if (bytes.size() > message_bytes_max) return;
    constexpr size_t kWidth = integer_bytes(kForm);
    for (size_t at = kWidth; at < bytes.size(); ++at) {
      const uint64_t size = integer_at(kForm, bytes.data() + at - kWidth);
      if (!is_digest_size(size) || size > bytes.size() - at) continue;
      if (is_raw_digest(bytes.subspan(at, size))) claim(message, at, bytes.subspan(at, size));
    }
  }

  static constexpr size_t kPrefixBytes = 24;
  Draft& draft_;
  bool nonce_heard_ = false;
  uint32_t before_nonce_ = 0;  // so many messages
  GramSet said_{0};            // by the client, in `said_of_` messages: looked at where a digest asks for it
  uint32_t said_of_ = 0;
};

}  // namespace

bool is_behind_chosen_name(ByteView bytes, size_t at) {
  return std::any_of(kChosenBehind.begin(), kChosenBehind.end(), [&](std::string_view name) {
    return at >= name.size() && same_letters(bytes.subspan(at - name.size(), name.size()), name);
  });
}

bool holds_nonce(ByteView bytes) {
  if (!is_text(bytes) && bytes.size() <= 4096) {
    for (size_t at = 0; at + 8 <= bytes.size(); at += 4) {
      if (is_nonce(bytes.subspan(at, 8)) && !is_text(bytes.subspan(at, 8))) return true;
    }
  }
  for (size_t at = 0; at < bytes.size(); ++at) {
    if (is_delimiter(bytes[at])) continue;
    size_t end = at;
    while (end < bytes.size() && !is_delimiter(bytes[end])) ++end;
    if (is_nonce(bytes.subspan(at, end - at))) return true;
    at = end;
  }
  return false;
}

bool is_as_digest(ByteView bytes) {
  return is_written_digest(bytes) || is_raw_digest(bytes);
}

void claim_digests(Draft& draft) {
  Digests(draft).run();
}

}  // namespace skep::replay
