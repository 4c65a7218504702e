#include "replay/number_echoes.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/ascii.h"
#include "replay/forms.h"
#include "replay/grams.h"
#include "replay/locate.h"
#include "replay/tokens.h"

namespace skep::replay {

namespace {

constexpr uint64_t kNumberMin = 10'000;              // smaller ones are equal by chance
constexpr uint32_t kDigitsMin = 4, kDigitsMax = 20;  // 0x2710, 2^64
constexpr uint64_t kBinaryMin = 1 << 16;             // of 32 bits
constexpr uint64_t kWideMin = uint64_t{1} << 32;
constexpr size_t kNumbersMax = size_t{1} << 20;
constexpr size_t kNumbersExpected = size_t{1} << 14;
constexpr size_t kBinaryBytesMax = 64 << 10;  // of a message; in a larger one every number stands somewhere

struct Said {
  Place place;
  Form form;
};
using Numbers = std::unordered_map<uint64_t, Said>;

// Digits that are a whole word.
template <typename Take>
void each_written(ByteView bytes, const Take& take) {
  for (uint32_t at = 0; at < bytes.size(); ++at) {
    if (!is_word(bytes[at])) continue;
    uint32_t end = at, begin = at;
    bool decimal = true, hex = true;
    if (bytes[at] == '0' && at + 2 < bytes.size() && (bytes[at + 1] == 'x' || bytes[at + 1] == 'X')) {
      decimal = false;
      end = begin = at + 2;
    }
    for (; end < bytes.size() && is_word(bytes[end]); ++end) {
      decimal = decimal && is_digit(bytes[end]);
      hex = hex && hex_digit(bytes[end]) >= 0;
    }
    if (hex && end - begin >= kDigitsMin && end - begin <= kDigitsMax) {
      const Form form = decimal ? Form::decimal : Form::hex_number;
      const auto value = read_value(form, bytes.subspan(begin, end - begin));
      if (value && std::get<uint64_t>(*value) >= kNumberMin) take(std::get<uint64_t>(*value), form, begin, end - begin);
    }
    at = end;
  }
}

// Which numbers there are, so that most are not looked for in vain.
class NumberSieve {
 public:
  void add(uint64_t value) {
    sieve_.add(value);
    largest_ = std::max(largest_, value);
  }
  bool may_have(uint64_t value) const { return sieve_.may_have(value); }
  uint64_t largest() const { return largest_; }

 private:
  Sieve sieve_{kNumbersExpected};
  uint64_t largest_ = 0;
};

// In both orders of its bytes.
template <Form kBig, Form kLittle, typename Take>
void each_integer(ByteView bytes, const NumberSieve& sieve, const Take& take) {
  constexpr uint32_t kSize = integer_bytes(kBig);
  constexpr uint64_t kMin = kSize == 4 ? kBinaryMin : kWideMin;
  if (sieve.largest() < kMin) return;
  for (uint32_t at = 0; at + kSize <= bytes.size(); ++at) {
    const uint64_t big = integer_at(kBig, bytes.data() + at), little = integer_at(kLittle, bytes.data() + at);
    if (sieve.may_have(big) && big >= kMin) take(big, kBig, at, kSize);
    if (sieve.may_have(little) && little >= kMin) take(little, kLittle, at, kSize);
  }
}

template <typename Take>
void each_binary(ByteView bytes, const NumberSieve& sieve, const Take& take) {
  if (bytes.size() > kBinaryBytesMax || is_text(bytes)) return;
  each_integer<Form::be32, Form::le32>(bytes, sieve, take);
  each_integer<Form::be64, Form::le64>(bytes, sieve, take);
}

class Search {
 public:
  explicit Search(Draft& draft) : draft_(draft) {}

  // The server's numbers in text are looked for in all that the client sends, its binary ones where the client writes
  // digits: the client's numbers in text are few, so they are gathered first.
  void run() {
    const auto count = static_cast<uint32_t>(draft_.recording().messages.size());
    for (uint32_t message = 0; message < count; ++message) {
      if (!draft_.is_client(message)) continue;
      each_written(draft_.bytes(message), [&](uint64_t value, Form, uint32_t, uint32_t) {
        if (wanted_.size() < kNumbersMax && wanted_.insert(value).second) wanted_sieve_.add(value);
      });
    }
    for (uint32_t message = 0; message < count; ++message) draft_.is_client(message) ? look(message) : hear(message);
  }

 private:
  void hear(uint32_t message) {
    const auto remember = [&](uint64_t value, Form form, uint32_t offset, uint32_t size) {
      if (said_.size() >= kNumbersMax || by_client_.contains(value)) return;
      said_.insert_or_assign(value, Said{{message, offset, size}, form});
      said_sieve_.add(value);
    };
    each_written(draft_.bytes(message), remember);
    if (wanted_.empty()) return;
    each_binary(draft_.bytes(message), wanted_sieve_, [&](uint64_t value, Form form, uint32_t offset, uint32_t size) {
      if (wanted_.contains(value)) remember(value, form, offset, size);
    });
  }

  void look(uint32_t message) {
    const auto claim = [&](uint64_t value, Form form, uint32_t offset, uint32_t size) {
      const auto said = said_.find(value);
      if (said == said_.end() || said->second.form == form) return;
      Echo echo;
      echo.source = said->second.place;
      echo.read = said->second.form;
      echo.write = form;
      take_context(draft_.bytes(echo.source.message), echo);
      if (echo.read > Form::hex_number) echo.fixed_size = true;
      draft_.claim({message, offset, size}, echo,
                   fmt::format("the number {} of message {}, {} to {}", value, echo.source.message,
                               to_string(echo.read), to_string(form)));
    };
    each_written(draft_.bytes(message), [&](uint64_t value, Form form, uint32_t offset, uint32_t size) {
      claim(value, form, offset, size);
      if (by_client_.size() < kNumbersMax) by_client_.insert(value);
    });
    if (!said_.empty()) each_binary(draft_.bytes(message), said_sieve_, claim);
  }

  Draft& draft_;
  std::unordered_set<uint64_t> wanted_;
  NumberSieve wanted_sieve_;
  Numbers said_;
  NumberSieve said_sieve_;
  std::unordered_set<uint64_t> by_client_;  // before the server said them
};

}  // namespace

void claim_number_echoes(Draft& draft) {
  Search(draft).run();
}

}  // namespace skep::replay
