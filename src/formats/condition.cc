#include "formats/condition.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace skep::formats {
namespace {

constexpr int kDepthMax = 32;  // parentheses and macros within macros
constexpr size_t kWordsMax = 4096;
constexpr size_t kListMax = 1024;  // values that one `in` may name

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t i = 0; i < text.size() && words.size() <= kWordsMax;) {
    const char c = text[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++i;
    } else if (c == '(' || c == ')' || c == ',') {
      words.emplace_back(1, text[i++]);
    } else if (c == '"' || c == '\'') {
      const size_t end = std::min(text.find(c, i + 1), text.size());
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

// (a or b) and (c or d): every pair. Bounded by the caller.
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

Result<Disjunction> either(Disjunction left, const Disjunction& right) {
  left.insert(left.end(), right.begin(), right.end());
  if (left.size() > kConjunctionsMax)
    return fail("more than {} alternatives joined by `or`, once brought into that form", kConjunctionsMax);
  return left;
}

// A recursive descent that carries the negation down, so that only predicates are ever negated.
class Parser {
 public:
  Parser(std::vector<std::string> words, const Vocabulary& vocabulary, int depth)
      : words_(std::move(words)), vocabulary_(vocabulary), depth_(depth) {}

  Result<Disjunction> whole(bool negated) {
    if (words_.size() > kWordsMax) return fail("more than {} words", kWordsMax);
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
      auto parsed = Parser(words_of(macro->second), vocabulary_, depth_ + 1).whole(negated);
      return parsed ? parsed : Result<Disjunction>(wrap("macro '" + field + "'", parsed));
    }
    if (at_ >= words_.size()) return fail("'{}': no such macro, or a comparison is missing", field);
    const std::string op = words_[at_++];
    Predicate made{field, Comparison::equal, negated, {}};
    if (op == "in") return in_list(std::move(made));
    if (at_ >= words_.size()) return fail("'{} {}': a value is missing", field, op);
    if (peek("(") || peek(")") || peek(",")) return fail("'{} {}': a value is missing", field, op);
    if (op == "intersects") {
      made.comparison = Comparison::intersects;
    } else if (op == "<" || op == ">=") {
      made.comparison = Comparison::less;
    } else if (op == ">" || op == "<=") {
      made.comparison = Comparison::greater;
    } else if (op != "=" && op != "!=") {
      return fail("'{}' is no comparison (= != < <= > >= in intersects)", op);
    }
    if (op == "!=" || op == ">=" || op == "<=") made.negated = !made.negated;
    made.values = {unquoted(words_[at_++])};
    return Disjunction{{std::move(made)}};
  }

  Result<Disjunction> in_list(Predicate made) {
    made.comparison = Comparison::in;
    const bool bracketed = take("(");
    if (!bracketed) {
      // A list's bare name.
      if (at_ >= words_.size()) return fail("'{} in': a list is missing", made.field);
      const auto list = vocabulary_.lists.find(words_[at_]);
      if (list == vocabulary_.lists.end()) return fail("'{}': no such list", words_[at_]);
      ++at_;
      made.values = list->second;
      return Disjunction{{std::move(made)}};
    }
    while (!take(")")) {
      if (at_ >= words_.size()) return fail("'{} in (': a ')' is missing", made.field);
      const std::string word = words_[at_++];
      const auto list = vocabulary_.lists.find(word);
      if (list != vocabulary_.lists.end()) {
        made.values.insert(made.values.end(), list->second.begin(), list->second.end());
      } else {
        made.values.push_back(unquoted(word));
      }
      if (made.values.size() > kListMax) return fail("'{} in': more than {} values", made.field, kListMax);
      if (!take(",") && !peek(")")) return fail("'{} in (': a ',' or ')' is missing", made.field);
    }
    if (made.values.empty()) return fail("'{} in ()': an empty list", made.field);
    return Disjunction{{std::move(made)}};
  }

  static std::string unquoted(const std::string& word) { return word.starts_with('"') ? word.substr(1) : word; }

  std::vector<std::string> words_;
  const Vocabulary& vocabulary_;
  int depth_;
  size_t at_ = 0;
};

}  // namespace

Result<Disjunction> parse_condition(const std::string& text, const Vocabulary& vocabulary) {
  if (trim(text).empty()) return always();
  return Parser(words_of(text), vocabulary, 0).whole(false);
}

}  // namespace skep::formats
