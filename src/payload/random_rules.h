// Small rules on the payload and streams that nearly fulfil them, made of any bytes: for a test and for
// fuzz/scanner_fuzz.cc, which hold the scanner against payload/reference_rule.h. No program has it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/choices.h"
#include "payload/reference_rule.h"
#include "payload/scanner.h"

namespace skep::payload {

class RandomRules {
 public:
  explicit RandomRules(std::span<const uint8_t> bytes) : choices_(bytes) {
    const size_t count = 1 + choices_.below(4);
    for (size_t i = 0; i < count; ++i) add_rule(static_cast<uint32_t>(i + 1));
    for (size_t left = 4 + choices_.below(60); left > 0; --left) stream_.push_back(letter());
  }

  // Ends the process where the scanner, on either engine and however the stream is cut, thinks otherwise than the
  // reference. Returns how many rules fired.
  size_t hold_against_each_other() {
    std::set<uint32_t> wanted;
    for (const GivenRule& each : given_) {
      if (ReferenceRule(each.rule, stream_).holds()) wanted.insert(each.rule.sid);
    }
    const size_t cut = 1 + choices_.below(20);
    for (const bool hyperscan : {true, false}) {
      RuleSetOptions options;
      options.hyperscan = hyperscan;
      const auto rules = RuleSet::make(given_, options);
      SKEP_CHECK(rules && (*rules)->refused().empty());
      for (const size_t pieces : {stream_.size(), size_t{1}, cut}) SKEP_CHECK(scanned(*rules, pieces) == wanted);
    }
    return wanted.size();
  }

 private:
  char letter() { return choices_.of(std::string_view("abAB\0\1", 6)); }

  std::string word() {
    std::string out;
    for (size_t left = 1 + choices_.below(4); left > 0; --left) out.push_back(letter());
    return out;
  }

  formats::RuleNumber number(int64_t least, size_t count) {
    return {least + static_cast<int64_t>(choices_.below(count)), {}};
  }

  formats::Content content(bool first) {
    formats::Content out;
    out.bytes = word();
    out.nocase = choices_.once_in(3);
    out.negated = choices_.once_in(5);
    const auto size = static_cast<int64_t>(out.bytes.size());
    switch (choices_.below(first ? 4 : 6)) {
      case 1:
        out.offset = number(0, 12);
        break;
      case 2:
        out.depth = number(size, 12);
        break;
      case 3:
        (choices_.once_in(2) ? out.starts_with : out.ends_with) = true;
        break;
      case 4:
        out.distance = number(-6, 14);
        break;
      case 5:
        out.distance = number(-3, 8);
        out.within = number(size, 10);
        break;
      default:
        break;
    }
    return out;
  }

  formats::ByteTest test() {
    formats::ByteTest out;
    out.number.bytes = choices_.of(std::initializer_list<int64_t>{1, 2, 4});
    out.number.relative = choices_.once_in(2);
    out.number.offset = number(0, 8);
    out.number.little_endian = choices_.once_in(2);
    out.comparison = choices_.of(std::initializer_list<const char*>{"<", ">", "=", "&"});
    out.negated = choices_.once_in(4);
    out.value = {static_cast<int64_t>(choices_.of(std::initializer_list<int>{0, 1, 97, 25'000, 0x61616161})), {}};
    return out;
  }

  void add_rule(uint32_t sid) {
    GivenRule given;
    given.rule.sid = sid;
    for (size_t left = 1 + choices_.below(4); left > 0; --left) {
      switch (choices_.below(6)) {
        case 4:
          given.rule.options.emplace_back(formats::DataAt{{}, choices_.once_in(2), number(0, 20), choices_.once_in(2)});
          break;
        case 5:
          if (choices_.once_in(4)) {
            given.rule.options.emplace_back(formats::PacketSize{{choices_.below(40), choices_.below(60), false}});
          } else {
            given.rule.options.emplace_back(test());
          }
          break;
        default:
          given.rule.options.emplace_back(content(given.rule.options.empty()));
      }
    }
    given_.push_back(std::move(given));
  }

  std::set<uint32_t> scanned(const std::shared_ptr<const RuleSet>& rules, size_t pieces) {
    Scanner scanner(rules, {}, {});
    std::set<uint32_t> out;
    const auto add = [&](std::span<const Hit> hits) {
      for (const Hit& hit : hits) SKEP_CHECK(out.insert(rules->rules()[hit.rule].rule.sid).second);
    };
    for (std::string_view rest = stream_; !rest.empty(); rest.remove_prefix(std::min(pieces, rest.size())))
      add(scanner.take(as_bytes(rest.substr(0, pieces)), scratch_));
    add(scanner.finish(scratch_));
    return out;
  }

  Choices choices_;
  std::vector<GivenRule> given_;
  std::string stream_;
  Scratch scratch_;
};

}  // namespace skep::payload
