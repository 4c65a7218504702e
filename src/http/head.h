// The head of one HTTP request: its bytes, and where its line's parts and its headers lie in them. One thread at a
// time.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace skep::http {

// Of one request; more is no HTTP any more. Each is looked for among those before it: their number counts squared.
constexpr size_t kHeaders = 256;

// As much of it as there is: where it came, until the caller's bytes go.
class HeadBytes {
 public:
  // The next ones. They lie behind those that were added before them, where keep() was not called in between.
  void add(ByteView bytes);
  // The caller's bytes go.
  void keep();
  void clear();
  ByteView all() const { return bytes_; }
  // There is "\r\n" or "\n", and no more.
  bool is_empty_line() const;
  size_t bytes_held() const { return kept_.capacity(); }

 private:
  ByteView bytes_;
  Bytes kept_;
};

// What its bytes say, line by line. Slices of them; what came in pieces (folded, or repeated) is put together here.
class Head {
 public:
  // The bytes stay the caller's, and may move while more are added.
  void begin(const HeadBytes& bytes);
  // The request's line, which ends there.
  void read_line(size_t end);
  // The line behind those that were read.
  enum class Line : uint8_t { header, last, one_too_many };
  Line read_header_line(size_t end);
  // No further line comes, not even the empty one. False: there is one header too many.
  bool cut_short();
  // What was read before of a head that is whole.
  void read_again();

  std::optional<ByteView> line() const { return view(line_); }
  std::optional<ByteView> method() const { return view(method_); }
  std::optional<ByteView> uri() const { return view(uri_); }
  std::optional<ByteView> protocol() const { return view(protocol_); }
  ByteView all() const { return bytes_->all(); }
  ByteView headers_raw() const { return all().subspan(line_size_); }
  // `name` is in lower case.
  std::optional<ByteView> value(std::string_view name) const;
  size_t header_count() const { return distinct_; }
  template <typename Deed>
  void each_header(Deed deed) const {
    for (size_t i = 0; i < fields_; ++i)
      if (!field(i).repeats) deed(*view(field(i).name), *view(field(i).value));
  }
  // Put together anew from its parts, it would be the same bytes.
  bool canonical() const { return canonical_; }
  size_t bytes_held() const { return joined_.capacity() + more_.capacity() * sizeof(Field); }

 private:
  // In the head's bytes, or in those that were put together.
  struct Slice {
    uint32_t from = 0;
    uint32_t size : 30 = 0;
    uint32_t there : 1 = 0;
    uint32_t joined : 1 = 0;
  };
  struct Field {
    Slice name;
    Slice value;
    uint16_t name_hash = 0;  // in either case
    uint16_t next = 0;       // of the same name; 0: none
    bool repeated = false;
    bool repeats = false;  // one before it
  };
  static constexpr size_t kFew = 12;
  static constexpr size_t kRepetitions = 64;  // besides the first of each header; more are passed over

  static Slice slice(size_t from, size_t to, bool joined = false) {
    return {static_cast<uint32_t>(from), static_cast<uint32_t>(to - from) & 0x3fff'ffff, 1, joined};
  }
  ByteView bytes_of(Slice slice) const {
    return (slice.joined ? ByteView(joined_) : all()).subspan(slice.from, slice.size);
  }
  std::optional<ByteView> view(Slice slice) const {
    if (!slice.there) return std::nullopt;
    return bytes_of(slice);
  }
  const Field& field(size_t i) const { return i < kFew ? few_[i] : more_[i - kFew]; }
  Field& field(size_t i) { return i < kFew ? few_[i] : more_[i - kFew]; }
  void fold(size_t from, size_t to);
  bool close_open();
  bool close_last();
  bool take_field(const Field& taken);
  void repeat(size_t first, const Field& taken);
  void append(const Field& taken);
  void join(Slice more);
  void join_repeated();

  const HeadBytes* bytes_ = nullptr;
  Bytes joined_;
  Slice line_, method_, uri_, protocol_;
  Slice open_;  // a header to which more lines may come
  size_t line_size_ = 0;
  size_t lines_end_ = 0;  // of those that were read
  std::array<Field, kFew> few_;
  std::vector<Field> more_;
  uint16_t fields_ = 0;
  uint16_t distinct_ = 0;
  uint16_t repetitions_ = 0;
  bool canonical_ = false;
};

}  // namespace skep::http
