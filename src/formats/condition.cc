#include "formats/condition.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace skep::formats {
namespace {

constexpr int kDepthMax = 32;  // parentheses and macros within macros
constexpr size_t kWordsMax = 4096;

Result<std::vector<std::string>> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t i = 0; i < text.size() && words.size() <= kWordsMax;) {
    const char c = text[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++i;
    } else if (c == '(' || c == ')' || c == ',') {
      words.emplace_back(1, text[i++]);
    } else if (c == '"' || c == '\'') {
      const size_t end = text.find(c, i + 1);
      if (end == std::string::npos) return fail("a quote is left open: {}", text.substr(i, 40));
      words.push_back("\"" + text.substr(i + 1, end - i - 1));
      i = end + 1;
    } else if (c == '=' || c == '!' || c == '<' || c == '>') {
      const size_t length = i + 1 < text.size() && text[i + 1] == '=' ? 2 : 1;
      words.push_back(text.substr(i, length));
      i += length;
    } else {
      const size_t end = std::min(text.find_first_of(" \t\r\n(),=!<>\"'", i), text.size());
      words.push_back(text.substr(i, end - i));
      i = end;
    }
  }
  return words;
}

Disjunction always() {
  return {{}};
}

Result<Disjunction> either(Disjunction left, const Disjunction& right) {
  left.insert(left.end(), right.begin(), right.end());
  if (left.size() > kConjunctionsMax)
    return fail("more than {} alternatives joined by `or`, once brought into that form", kConjunctionsMax);
  return left;
}

// A recursive descent that carries the negation down, so that only predicates are ever negated.
class Parser {
 public:
  Parser(const Vocabulary& vocabulary, int depth) : vocabulary_(vocabulary), depth_(depth) {}

  Result<Disjunction> whole(const std::string& text, bool negated) {
    auto words = words_of(text);
    if (!words) return tl::unexpected<Error>(words.error());
    if (words->size() > kWordsMax) return fail("more than {} words", kWordsMax);
    words_ = std::move(*words);
    auto parsed = any_of(negated);
    if (parsed && at_ < words_.size()) return fail("'{}' was not expected here", words_[at_]);
    return parsed;
  }

 private:
  bool take(std::string_view word) {
    if (at_ >= words_.size() || words_[at_] != word) return false;
    ++at_;
    return true;
  }
  bool peek(std::string_view word) const { return at_ < words_.size() && words_[at_] == word; }

  // not (a or b) is (not a) and (not b).
  Result<Disjunction> combine(bool as_or, Disjunction left, const Disjunction& right) const {
    return as_or ? either(std::move(left), right) : both(left, right);
  }

  Result<Disjunction> any_of(bool negated) {
    if (++depth_ > kDepthMax) return fail("nested deeper than {} levels (does a macro name itself?)", kDepthMax);
    auto left = all_of(negated);
    while (left && take("or")) {
      auto right = all_of(negated);
      if (!right) return right;
      left = combine(!negated, std::move(*left), *right);
    }
    --depth_;
    return left;
  }

  Result<Disjunction> all_of(bool negated) {
    auto left = unary(negated);
    while (left && take("and")) {
      auto right = unary(negated);
      if (!right) return right;
      left = combine(negated, std::move(*left), *right);
    }
    return left;
  }

  Result<Disjunction> unary(bool negated) {
    if (at_ >= words_.size()) return fail("the condition ends where something was expected");
    while (take("not")) negated = !negated;
    if (take("(")) {
      auto inner = any_of(negated);
      if (inner && !take(")")) return fail("a ')' is missing");
      return inner;
    }
    return predicate(negated);
  }

  Result<Disjunction> predicate(bool negated) {
    if (at_ >= words_.size()) return fail("the condition ends where something was expected");
    const std::string field = words_[at_++];
    if (const auto macro = vocabulary_.macros.find(field); macro != vocabulary_.macros.end()) {
      if (depth_ > kDepthMax)
        return fail("macro '{}': nested deeper than {} levels (does it name itself?)", field, kDepthMax);
      auto parsed = Parser(vocabulary_, depth_ + 1).whole(macro->second, negated);
      return parsed ? parsed : Result<Disjunction>(wrap("macro '" + field + "'", parsed));
    }
    if (at_ >= words_.size()) return fail("'{}': no such macro, or a comparison is missing", field);
    const std::string op = words_[at_++];
    if (op != "in" && (at_ >= words_.size() || peek("(") || peek(")") || peek(",")))
      return fail("'{} {}': a value is missing", field, op);
    auto values = op == "in" ? list_of(field) : std::vector<std::string>{unquoted(words_[at_++])};
    if (!values) return tl::unexpected<Error>(values.error());
    auto made = make_predicate(field, op, std::move(*values));
    if (!made) return tl::unexpected<Error>(made.error());
    made->negated = made->negated != negated;
    return Disjunction{{std::move(*made)}};
  }

  // What stands behind `in`: a list's bare name, or "(a, b, list)".
  Result<std::vector<std::string>> list_of(const std::string& field) {
    std::vector<std::string> values;
    if (!take("(")) {
      if (at_ >= words_.size()) return fail("'{} in': a list is missing", field);
      const auto list = vocabulary_.lists.find(words_[at_]);
      if (list == vocabulary_.lists.end()) return fail("'{}': no such list", words_[at_]);
      ++at_;
      return list->second;
    }
    while (!take(")")) {
      if (at_ >= words_.size()) return fail("'{} in (': a ')' is missing", field);
      const std::string word = words_[at_++];
      const auto list = vocabulary_.lists.find(word);
      if (list != vocabulary_.lists.end()) {
        values.insert(values.end(), list->second.begin(), list->second.end());
      } else {
        values.push_back(unquoted(word));
      }
      if (values.size() > kListMax) break;  // make_predicate says so
      if (!take(",") && !peek(")")) return fail("'{} in (': a ',' or ')' is missing", field);
    }
    return values;
  }

  static std::string unquoted(const std::string& word) { return word.starts_with('"') ? word.substr(1) : word; }

  std::vector<std::string> words_;
  const Vocabulary& vocabulary_;
  int depth_;
  size_t at_ = 0;
};

}  // namespace

// `a >= b` is `not a < b`.
Result<Predicate> make_predicate(const std::string& field, const std::string& comparison,
                                 std::vector<std::string> values) {
  static constexpr struct {
    std::string_view word;
    Comparison comparison;
    bool negated;
  } kComparisons[] = {{"=", Comparison::equal, false},
                      {"!=", Comparison::equal, true},
                      {"<", Comparison::less, false},
                      {">=", Comparison::less, true},
                      {">", Comparison::greater, false},
                      {"<=", Comparison::greater, true},
                      {"intersects", Comparison::intersects, false},
                      {"in", Comparison::in, false}};
  const auto* const found = std::find_if(std::begin(kComparisons), std::end(kComparisons),
                                         [&](const auto& each) { return each.word == comparison; });
  if (found == std::end(kComparisons)) return fail("'{}' is no comparison (= != < <= > >= in intersects)", comparison);
  if (values.empty()) return fail("'{} {}': an empty list", field, comparison);
  if (found->comparison != Comparison::in && values.size() > 1)
    return fail("'{} {}' wants one value, not a list", field, comparison);
  if (values.size() > kListMax) return fail("'{} {}': more than {} values", field, comparison, kListMax);
  return Predicate{field, found->comparison, found->negated, std::move(values)};
}

// (a or b) and (c or d): every pair.
Result<Disjunction> both(const Disjunction& left, const Disjunction& right) {
  Disjunction out;
  for (const Conjunction& a : left) {
    for (const Conjunction& b : right) {
      Conjunction joined = a;
      joined.insert(joined.end(), b.begin(), b.end());
      if (joined.size() > kPredicatesMax) return fail("more than {} predicates joined by `and`", kPredicatesMax);
      out.push_back(std::move(joined));
      if (out.size() > kConjunctionsMax)
        return fail("more than {} alternatives joined by `or`, once brought into that form", kConjunctionsMax);
    }
  }
  return out;
}

Result<Disjunction> parse_condition(const std::string& text, const Vocabulary& vocabulary) {
  if (trim(text).empty()) return always();
  return Parser(vocabulary, 0).whole(text, false);
}

}  // namespace skep::formats
