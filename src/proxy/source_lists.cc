#include "proxy/source_lists.h"

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "base/text.h"
#include "formats/outgoing.h"

namespace skep::proxy {
namespace {

constexpr uint32_t kAllowed = 0;

// The address behind, or before; false: there is none.
template <typename Address>
bool step(Address& address, bool up) {
  for (size_t i = address.size(); i-- > 0;) {
    address[i] = static_cast<uint8_t>(up ? address[i] + 1 : address[i] - 1);
    if (address[i] != (up ? 0x00 : 0xff)) return true;
  }
  return false;
}

}  // namespace

Result<SourceLists> SourceLists::read(const formats::FilterOptions& options) {
  SourceLists lists;
  for (const std::string& text : options.allow) {
    if (lists.add(text, kAllowed)) continue;
    if (auto read = lists.read_file_of(text, kAllowed); !read) return wrap("filter: allow", read);
  }
  for (const formats::SourceList& list : options.sources) {
    const size_t before = lists.networks_.size();
    lists.lists_.push_back({list.name, list.action, 0});
    if (auto read = lists.read_file_of(list.file, static_cast<uint32_t>(lists.lists_.size())); !read)
      return wrap("filter: sources: " + list.name, read);
    lists.lists_.back().networks = lists.networks_.size() - before;
  }
  lists.settle();
  return lists;
}

bool SourceLists::add(const std::string& text, uint32_t owner) {
  const auto net = formats::network_of(text);
  if (!net) return false;
  Network network{{}, {}, owner};
  std::memcpy(network.first.data(), net->address, sizeof net->address);
  uint8_t mask[16];
  std::memcpy(mask, net->mask, sizeof mask);
  for (size_t i = 0; i < sizeof mask; ++i) network.last[i] = static_cast<uint8_t>(network.first[i] | (mask[i] ^ 0xff));
  networks_.push_back(network);
  return true;
}

// A network a line; `#` and `;` begin a comment.
Status SourceLists::read_file_of(const std::string& path, uint32_t owner) {
  const auto text = read_file(path, kFileBytesMax);
  if (!text) return tl::unexpected<Error>(text.error());
  int line = 0;
  for (const std::string_view raw : split(*text, '\n')) {
    ++line;
    const std::string word(trim(raw.substr(0, raw.find_first_of("#;"))));
    if (word.empty()) continue;
    if (networks_.size() >= kNetworksMax) return fail("{}: more than {} networks in all lists", path, kNetworksMax);
    if (add(word, owner)) continue;
    ++bad_total_;
    if (bad_.size() < kBadMax)
      bad_.push_back(fmt::format("{}:{}: '{}' is no address or network", path, line, printable(word.substr(0, 64))));
  }
  return {};
}

// Two networks are apart, or the one lies within the other. So, from the lowest on and the wider first, those that an
// address lies in are a stack; of them the least number has it.
void SourceLists::settle() {
  std::sort(networks_.begin(), networks_.end(), [](const Network& a, const Network& b) {
    return a.first != b.first ? a.first < b.first : a.last > b.last;
  });
  std::vector<Network> apart;
  std::vector<Network> within;  // each one's owner is the least of it and those around it
  Address next{};               // up to here all is told
  const auto tell = [&](const Address& first, const Address& last, uint32_t owner) {
    if (first > last) return;
    apart.push_back({first, last, owner});
  };
  const auto leave = [&](const Address& before, bool all) {
    while (!within.empty() && (all || within.back().last < before)) {
      tell(next, within.back().last, within.back().owner);
      next = within.back().last;
      const bool more = step(next, true);
      within.pop_back();
      if (!more) return within.clear();
    }
  };
  for (Network network : networks_) {
    leave(network.first, false);
    if (!within.empty()) {
      Address before = network.first;
      if (step(before, false)) tell(next, before, within.back().owner);
      network.owner = std::min(network.owner, within.back().owner);
    }
    next = network.first;
    within.push_back(network);
  }
  leave({}, true);
  networks_ = std::move(apart);
  networks_.shrink_to_fit();
}

SourceLists::Found SourceLists::find(const Endpoint& source) const {
  const auto behind =
      std::upper_bound(networks_.begin(), networks_.end(), source.address,
                       [](const Address& address, const Network& network) { return address < network.first; });
  if (behind == networks_.begin()) return {};
  const Network& network = *std::prev(behind);
  if (network.last < source.address) return {};
  if (network.owner == kAllowed) return {true, std::nullopt};
  return {false, network.owner - 1};
}

RuleHit SourceLists::hit(size_t list) const {
  static constexpr HitAction kActions[] = {HitAction::dropped, HitAction::reset, HitAction::tagged};
  const formats::SourceAction action = lists_[list].action;
  RuleHit hit;
  hit.gid = 0;
  hit.sid = static_cast<uint32_t>(list + 1);
  hit.message = "source list " + lists_[list].name;
  hit.grade = action == formats::SourceAction::tag ? RuleGrade::generic : RuleGrade::specific;
  hit.action = kActions[static_cast<size_t>(action)];
  return hit;
}

}  // namespace skep::proxy
