#include "formats/bistream.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/clock.h"
#include "base/text.h"

namespace skep::formats {
namespace {

constexpr int kEnd = -1;
constexpr size_t kBlockBytes = 64 << 10;
constexpr size_t kCommentMax = 256;
constexpr std::string_view kBlanks = " \t\r\n\f";

bool is_blank(int letter) {
  return letter != kEnd && kBlanks.find(static_cast<char>(letter)) != std::string_view::npos;
}

int hex_value(int letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

// Of a backslash and one letter.
struct Escape {
  char letter;
  char byte;
};
constexpr Escape kEscapes[] = {{'\\', '\\'}, {'\'', '\''}, {'"', '"'},  {'a', '\a'}, {'b', '\b'},
                               {'f', '\f'},  {'n', '\n'},  {'r', '\r'}, {'t', '\t'}, {'v', '\v'}};

std::string named(int letter) {
  if (letter == kEnd) return "the end of the text";
  const char byte = static_cast<char>(letter);
  return "'" + printable({&byte, 1}) + "'";
}

}  // namespace

bool looks_like_bistream(std::string_view beginning) {
  while (true) {
    beginning.remove_prefix(std::min(beginning.find_first_not_of(kBlanks), beginning.size()));
    if (!beginning.starts_with('#')) break;
    beginning.remove_prefix(std::min(beginning.find('\n'), beginning.size()));
  }
  if (beginning.starts_with("stream")) {
    beginning.remove_prefix(6);
    beginning.remove_prefix(std::min(beginning.find_first_not_of(kBlanks), beginning.size()));
    return beginning.starts_with('=');
  }
  if (!beginning.starts_with('[')) return false;
  beginning.remove_prefix(1);
  beginning.remove_prefix(std::min(beginning.find_first_not_of(kBlanks), beginning.size()));
  return beginning.starts_with('(');
}

BistreamReader::BistreamReader(Source source) : source_(std::move(source)), buffer_(kBlockBytes) {}

int BistreamReader::peek() {
  if (at_ == filled_) {
    at_ = 0;
    filled_ = source_(buffer_);
    SKEP_CHECK(filled_ <= buffer_.size());
    if (filled_ == 0) return kEnd;
  }
  return buffer_[at_];
}

int BistreamReader::next() {
  const int letter = peek();
  if (letter == kEnd) return letter;
  ++at_;
  line_ += letter == '\n' ? 1 : 0;
  return letter;
}

bool BistreamReader::skip_blank() {
  while (true) {
    if (peek() == '#') {
      comment();
    } else if (is_blank(peek())) {
      next();
    } else {
      return peek() != kEnd;
    }
  }
}

tl::unexpected<Error> BistreamReader::error(std::string_view words) const {
  return fail("line {}: {}", line_, words);
}

tl::unexpected<Error> BistreamReader::unexpected(std::string_view wanted) {
  return error(fmt::format("{} stands where {} should", named(peek()), wanted));
}

Status BistreamReader::expect(char letter) {
  skip_blank();
  if (peek() != letter) return unexpected(named(letter));
  next();
  return {};
}

// "# client 192.0.2.1:4000": what it does not know it passes over.
void BistreamReader::comment() {
  std::string text;
  next();
  while (peek() != kEnd && peek() != '\n') {
    const int letter = next();
    if (text.size() < kCommentMax) text += static_cast<char>(letter);
  }
  const std::string_view words = trim(text);
  const size_t blank = words.find(' ');
  if (blank == std::string_view::npos) return;
  const std::string_view key = words.substr(0, blank);
  const std::string_view value = trim(words.substr(blank));
  if (key == "client") head_.client = parse_endpoint(value);
  if (key == "server") head_.server = parse_endpoint(value);
  if (key == "begun") head_.begun_ns = parse_time(value).value_or(0);
  if (key == "protocol" && value == to_string(Protocol::udp)) head_.protocol = Protocol::udp;
}

Status BistreamReader::word(std::string_view wanted) {
  for (const char letter : wanted) {
    if (peek() != letter) return unexpected(fmt::format("'{}'", wanted));
    next();
  }
  return {};
}

Status BistreamReader::begin() {
  skip_blank();
  if (peek() == '[') return expect('[');
  if (auto named = word("stream"); !named) return named;
  if (auto is = expect('='); !is) return is;
  return expect('[');
}

Status BistreamReader::read(const Take& take) {
  if (auto begun = begin(); !begun) return begun;
  while (true) {
    if (!skip_blank()) return error("the list is not closed");
    if (peek() == ']') break;
    const auto more = piece(take);
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) return {};
    if (!skip_blank()) return error("the list is not closed");
    if (peek() == ']') break;
    if (auto separated = expect(','); !separated) return separated;
  }
  next();
  if (skip_blank()) return unexpected("nothing more");
  return {};
}

// ('in', b'...')
Result<bool> BistreamReader::piece(const Take& take) {
  skip_blank();
  const char closing = peek() == '[' ? ']' : ')';
  if (auto opened = expect(closing == ']' ? '[' : '('); !opened) return tl::unexpected<Error>(opened.error());
  Bytes side;
  if (auto named = texts(side); !named) return tl::unexpected<Error>(named.error());
  if (as_text(side) != "in" && as_text(side) != "out")
    return error(fmt::format("'{}' is neither 'in' nor 'out'", printable(as_text(side).substr(0, 40))));
  const Direction direction = as_text(side) == "in" ? Direction::to_bait : Direction::to_client;
  if (auto separated = expect(','); !separated) return tl::unexpected<Error>(separated.error());
  Bytes bytes;
  const auto whole = texts(bytes);
  const bool more = (!whole && bytes.empty()) || take(direction, bytes);
  if (!whole) return tl::unexpected<Error>(whole.error());
  if (!more) return false;
  skip_blank();
  if (peek() == ',') next();
  if (auto closed = expect(closing); !closed) return tl::unexpected<Error>(closed.error());
  return true;
}

Status BistreamReader::texts(Bytes& out) {
  do {
    if (auto one = text(out); !one) return one;
    skip_blank();
  } while (peek() == 'b' || peek() == 'B' || peek() == '\'' || peek() == '"');
  return {};
}

Status BistreamReader::text(Bytes& out) {
  skip_blank();
  if (peek() == 'b' || peek() == 'B') next();
  const int quote = peek();
  if (quote != '\'' && quote != '"') return unexpected("a text in quotes, with b before it or nothing");
  next();
  const size_t begun = out.size();
  while (true) {
    const int letter = peek();
    if (letter == kEnd) return error("the text ends within a string");
    if (letter == '\n') return error("a line ends within a string");
    next();
    if (letter == quote) break;
    if (out.size() >= kBistreamPieceMax) return error("a piece is longer than 64 MiB");
    if (letter != '\\') {
      out.push_back(static_cast<uint8_t>(letter));
    } else if (auto one = escape(out); !one) {
      return one;
    }
  }
  if (out.size() == begun && peek() == quote) return error("texts in triple quotes are not read");
  return {};
}

Status BistreamReader::escape(Bytes& out) {
  const int letter = peek();
  if (letter == kEnd) return error("the text ends within a string");
  next();
  if (letter == '\n') return {};  // a line that goes on
  if (letter == 'x') return hex_escape(out);
  if (letter >= '0' && letter <= '7') return octal_escape(letter, out);
  const auto* const known = std::ranges::find(kEscapes, static_cast<char>(letter), &Escape::letter);
  if (known == std::end(kEscapes)) out.push_back('\\');  // Python leaves what it does not know as it is
  out.push_back(static_cast<uint8_t>(known == std::end(kEscapes) ? letter : known->byte));
  return {};
}

Status BistreamReader::hex_escape(Bytes& out) {
  int value = 0;
  for (int i = 0; i < 2; ++i) {
    const int digit = hex_value(peek());
    if (digit < 0) return error("two hexadecimal digits must follow \\x");
    value = value * 16 + digit;
    next();
  }
  out.push_back(static_cast<uint8_t>(value));
  return {};
}

Status BistreamReader::octal_escape(int first, Bytes& out) {
  int value = first - '0';
  for (int i = 0; i < 2 && peek() >= '0' && peek() <= '7'; ++i) value = value * 8 + (next() - '0');
  if (value > 255) return error(fmt::format("\\{:o} is no byte", value));
  out.push_back(static_cast<uint8_t>(value));
  return {};
}

bool BistreamWriter::begin(const BistreamHead& head) {
  std::string text;
  if (head.client) text += fmt::format("# client {}\n", to_string(*head.client));
  if (head.server) text += fmt::format("# server {}\n", to_string(*head.server));
  if (head.begun_ns != 0) text += fmt::format("# begun {}\n", format_time(head.begun_ns));
  if (head.protocol != Protocol::tcp) text += fmt::format("# protocol {}\n", to_string(head.protocol));
  return sink_(as_bytes(text + "stream = ["));
}

bool BistreamWriter::piece(Direction direction, ByteView bytes) {
  std::string text = std::exchange(first_, false) ? "" : ",\n";
  text.reserve(4 * bytes.size() + 16);
  text += direction == Direction::to_bait ? "('in', b'" : "('out', b'";
  for (const uint8_t byte : bytes) {
    if (byte == '\\' || byte == '\'') {
      text += {'\\', static_cast<char>(byte)};
    } else if (byte >= ' ' && byte <= '~') {
      text += static_cast<char>(byte);
    } else {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", byte);
    }
  }
  return sink_(as_bytes(text + "')"));
}

bool BistreamWriter::end() {
  return sink_(as_bytes("]\n"));
}

}  // namespace skep::formats
