#include "payload/literals.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "payload/needle.h"

namespace skep::payload {
namespace {

using Ends = std::set<std::pair<uint32_t, uint64_t>>;

LiteralFound into(Ends& ends) {
  return {[](void* context, uint32_t literal, uint64_t end) { static_cast<Ends*>(context)->emplace(literal, end); },
          &ends};
}

// Straight: every literal at every place.
Ends wanted(const std::vector<Literal>& literals, const std::string& stream) {
  Ends out;
  for (uint32_t i = 0; i < literals.size(); ++i) {
    const Needle needle(literals[i].bytes, literals[i].nocase);
    for (size_t at = needle.find(as_bytes(stream)); at != Needle::kNone; at = needle.find(as_bytes(stream), at + 1))
      out.emplace(i, at + literals[i].bytes.size());
  }
  return out;
}

// The built-in automaton says a literal in any case; what it says too much is taken out here as its users do.
Ends confirmed(const Ends& said, const std::vector<Literal>& literals, const std::string& stream) {
  Ends out;
  for (const auto& [literal, end] : said) {
    const Literal& is = literals[literal];
    if (Needle(is.bytes, is.nocase).at(as_bytes(stream), end - is.bytes.size())) out.emplace(literal, end);
  }
  return out;
}

class LiteralsTest : public testing::TestWithParam<bool> {};

TEST_P(LiteralsTest, AStreamIsFoundInTheSameHoweverItIsCut) {
  LiteralScratch scratch;
  size_t found = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const auto text = [&random](size_t size) {
      std::string out;
      while (out.size() < size) out.push_back("abcAB/%\0"[random() % 8]);
      return out;
    };
    std::vector<Literal> literals;
    for (size_t left = 1 + random() % 60; left > 0; --left)
      literals.push_back({text(2 + random() % 10), random() % 2 == 0});
    const std::string stream = text(3000);
    const auto set = LiteralSet::make(literals, true, GetParam());
    ASSERT_TRUE(set && set->prepare(scratch));
    LiteralStream state;
    Ends said;
    for (std::string_view rest = stream; !rest.empty();) {
      const size_t size = std::min<size_t>(1 + random() % 50, rest.size());
      const Bytes piece(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
      set->scan(state, piece, scratch, into(said));
      rest.remove_prefix(size);
    }
    EXPECT_EQ(confirmed(said, literals, stream), wanted(literals, stream)) << "seed " << seed;
    found += said.size();
  }
  EXPECT_GT(found, 10'000u);
}

TEST_P(LiteralsTest, AWholeBufferIsFoundInTheSame) {
  const std::vector<Literal> literals = {
      {"abc", false}, {"ABC", true}, {std::string("\0\xff", 2), false}, {"bc", false}};
  const std::string buffer = std::string("xabcABC\0\xff", 9);
  const auto set = LiteralSet::make(literals, false, GetParam());
  LiteralScratch scratch;
  ASSERT_TRUE(set && set->prepare(scratch));
  Ends said;
  set->scan(as_bytes(buffer), scratch, into(said));
  EXPECT_EQ(confirmed(said, literals, buffer), wanted(literals, buffer));
  EXPECT_EQ(wanted(literals, buffer).size(), 5u);
}

TEST_P(LiteralsTest, NoneAreFoundByAnEmptySet) {
  const auto set = LiteralSet::make({}, true, GetParam());
  ASSERT_TRUE(set && set->empty());
  LiteralScratch scratch;
  LiteralStream state;
  Ends said;
  set->scan(state, as_bytes("abc"), scratch, into(said));
  EXPECT_TRUE(said.empty());
  EXPECT_EQ(set->database_bytes() + set->stream_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, LiteralsTest, testing::Values(true, false),
                         [](const auto& engine) { return engine.param ? "Hyperscan" : "BuiltIn"; });

}  // namespace
}  // namespace skep::payload
