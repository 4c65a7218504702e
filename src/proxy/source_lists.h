// SourceLists: known sources, by files of networks, and those that are never filtered. It never changes; any thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "formats/filter_options.h"
#include "model/session.h"

namespace skep::proxy {

class SourceLists {
 public:
  static constexpr size_t kNetworksMax = 1'000'000;  // of all lists together
  static constexpr size_t kFileBytesMax = 64 << 20;

  // Errors: a file cannot be read, or there are too many networks. Lines that are none are in `bad`.
  static Result<SourceLists> read(const formats::FilterOptions& options);

  struct Found {
    bool allowed = false;        // never filtered, whatever lists say
    std::optional<size_t> list;  // the first that has it
  };
  Found find(const Endpoint& source) const;

  struct List {
    std::string name;
    formats::SourceAction action = formats::SourceAction::tag;
    size_t networks = 0;
  };
  const std::vector<List>& lists() const { return lists_; }
  const std::vector<std::string>& bad() const { return bad_; }  // "file:line: why", the first kBadMax
  uint64_t bad_total() const { return bad_total_; }
  // What is recorded of a session of this list: the rule 0:N of the N-th list.
  RuleHit hit(size_t list) const;

 private:
  static constexpr size_t kBadMax = 1000;
  using Address = std::array<uint8_t, 16>;
  struct Network {
    Address first;
    Address last;
    uint32_t owner;  // 0: allowed; n: the n-th list
  };
  Status read_file_of(const std::string& path, uint32_t owner);
  bool add(const std::string& text, uint32_t owner);
  void settle();

  std::vector<List> lists_;
  std::vector<Network> networks_;  // while they are read, as they come; then without overlaps, in order
  std::vector<std::string> bad_;
  uint64_t bad_total_ = 0;
};

}  // namespace skep::proxy
