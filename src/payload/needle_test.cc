#include "payload/needle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace skep::payload {
namespace {

TEST(NeedleTest, FindsWhatATextSearchFinds) {
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string hay;
    for (size_t left = random() % 40; left > 0; --left) hay.push_back("abAB"[random() % 4]);
    std::string word;
    for (size_t left = 1 + random() % 5; left > 0; --left) word.push_back("abAB"[random() % 4]);
    const size_t from = random() % 42;
    const size_t wanted = from <= hay.size() ? hay.find(word, from) : std::string::npos;
    EXPECT_EQ(Needle(word, false).find(as_bytes(hay), from), wanted) << hay << " " << word << " from " << from;
    for (auto* each : {&hay, &word})
      std::transform(each->begin(), each->end(), each->begin(), [](char c) { return c < 'a' ? c + 32 : c; });
    const size_t folded_wanted = from <= hay.size() ? hay.find(word, from) : std::string::npos;
    std::string upper = word;
    for (char& c : upper) c = static_cast<char>(c - 32);
    EXPECT_EQ(Needle(upper, true).find(as_bytes(hay), from), folded_wanted) << hay << " " << upper << " from " << from;
  }
}

TEST(NeedleTest, LongOnesAreFoundTooWhereSkipsEnd) {
  std::string word(600, 'x');
  word.back() = 'y';
  const std::string hay = std::string(1000, 'x') + "y" + std::string(10, 'z');
  EXPECT_EQ(Needle(word, false).find(as_bytes(hay)), 401u);
  EXPECT_EQ(Needle(word, false).find(as_bytes(hay), 402), Needle::kNone);
}

TEST(NeedleTest, OtherBytesThanLettersHaveOneCase) {
  EXPECT_EQ(Needle("@[`{", true).find(as_bytes("`{@[`{")), 2u);
  EXPECT_EQ(Needle("@", true).find(as_bytes("`")), Needle::kNone);
}

}  // namespace
}  // namespace skep::payload
