#include "replay/minimise.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>

namespace skep::replay {
namespace {

constexpr size_t kRangeBytes = 64;  // whose values are changed together at first

// One byte of the recording.
struct Atom {
  uint32_t message = 0;
  uint32_t offset = 0;
  auto operator<=>(const Atom&) const = default;
};
using Atoms = std::vector<Atom>;

Atoms atoms_of(const Recording& recording, uint32_t trigger) {
  Atoms all;
  for (uint32_t i = 0; i <= trigger; ++i) {
    const Message& message = recording.messages[i];
    if (message.direction != Direction::to_bait) continue;
    for (uint32_t at = 0; at < message.bytes.size(); ++at) all.push_back({i, at});
  }
  return all;
}

std::vector<Place> places_of(const Atoms& atoms) {
  std::vector<Place> places;
  for (const Atom& atom : atoms) {
    const bool goes_on = !places.empty() && places.back().message == atom.message &&
                         places.back().offset + places.back().bytes == atom.offset;
    if (goes_on) {
      ++places.back().bytes;
    } else {
      places.push_back({atom.message, atom.offset, 1});
    }
  }
  return places;
}

// Of one message: how many of its bytes are kept before each offset.
std::vector<uint32_t> kept_before(const Message& message, const std::vector<Place>& kept, uint32_t number) {
  std::vector<uint32_t> before(message.bytes.size() + 1, 0);
  for (const Place& place : kept) {
    if (place.message != number) continue;
    for (uint32_t i = 0; i < place.bytes; ++i) before[place.offset + i + 1] = 1;
  }
  for (size_t i = 1; i < before.size(); ++i) before[i] += before[i - 1];
  return before;
}

void shorten(Message& message, const std::vector<uint32_t>& before) {
  Bytes bytes;
  for (size_t i = 0; i < message.bytes.size(); ++i) {
    if (before[i + 1] != before[i]) bytes.push_back(message.bytes[i]);
  }
  for (uint32_t& end : message.reads) end = before[std::min<size_t>(end, message.bytes.size())];
  message.bytes = std::move(bytes);
}

// By recorded message, how many of its bytes are kept before each offset; of the service's messages nothing.
using KeptBefore = std::vector<std::vector<uint32_t>>;

// False: a part of it is gone, what is left are bytes like others.
bool shift(Field& field, const KeptBefore& all) {
  const std::vector<uint32_t>& before = all[field.place.message];
  if (before.empty()) return false;
  const uint32_t from = before[field.place.offset], to = before[field.place.offset + field.place.bytes];
  if (to - from != field.place.bytes) return false;
  field.place.offset = from;
  if (auto* length = std::get_if<Length>(&field.what)) {
    const std::vector<uint32_t>& counted = all[length->of_message.value_or(field.place.message)];
    if (counted.empty()) return false;
    length->from = counted[length->from];
    length->to = counted[length->to];
  } else if (auto* checksum = std::get_if<Checksum>(&field.what)) {
    checksum->from = before[checksum->from];
    checksum->to = before[checksum->to];
  }
  return true;
}

uint8_t another(uint8_t byte) {
  if (std::isalpha(byte)) return byte == 'q' ? 'z' : 'q';
  if (std::isdigit(byte)) return byte == '1' ? '2' : '1';
  return byte == 'q' ? 'z' : 'q';
}

class Minimiser {
 public:
  Minimiser(const Recording& recording, const Plan& plan, const StillAttacks& still_attacks,
            const MinimiseOptions& options, const MinimiseProgress& progress, const std::atomic<bool>& stop)
      : recording_(recording),
        plan_(plan),
        still_attacks_(still_attacks),
        options_(options),
        progress_(progress),
        stop_(stop) {}

  Result<Minimal> run(uint32_t trigger) {
    atoms_ = atoms_of(recording_, trigger);
    if (!still_attacks_({candidate(atoms_)}).front()) return fail("with all of its bytes the attack raises no alert");
    drop_messages();
    bool again = true;
    while (again && going_on()) {
      for (size_t size = std::max<size_t>(atoms_.size() / 2, 1); going_on(); size /= 2) {
        while (drop_some(size, size) && size == 1) {
        }
        if (size <= 1) break;
      }
      again = drop_any_range();
    }
    Minimal minimal;
    minimal.whole = going_on();
    find_needed();
    minimal.kept = places_of(atoms_);
    minimal.needed = places_of(needed_);
    minimal.bytes = atoms_.size();
    minimal.bytes_needed = needed_.size();
    minimal.candidates = asked_;
    return minimal;
  }

 private:
  bool going_on() const { return !stop_ && asked_ < options_.candidates_max; }

  Candidate candidate(const Atoms& atoms) const { return reduced(recording_, plan_, places_of(atoms)); }

  // The bytes that it is made of, as a hash: equal ones are asked about once, as when one of several equal bytes is
  // dropped.
  size_t content(const Atoms& atoms) const {
    std::string all;
    for (const Atom& atom : atoms) {
      all += static_cast<char>(atom.message);
      all += static_cast<char>(recording_.messages[atom.message].bytes[atom.offset]);
    }
    return std::hash<std::string>()(all);
  }

  // The first that still attacks becomes what there is.
  bool take_first(std::vector<Atoms>& choices) {
    std::vector<Candidate> candidates;
    candidates.reserve(choices.size());
    for (const Atoms& each : choices) candidates.push_back(candidate(each));
    asked_ += static_cast<uint32_t>(candidates.size());
    const std::vector<bool> attacks = still_attacks_(candidates);
    for (size_t i = 0; i < choices.size(); ++i) {
      if (!attacks[i]) continue;
      atoms_ = std::move(choices[i]);
      if (progress_) progress_(atoms_.size(), asked_);
      choices.clear();
      return true;
    }
    if (progress_) progress_(atoms_.size(), asked_);
    choices.clear();
    return false;
  }

  Atoms without(size_t from, size_t count) const {
    Atoms rest(atoms_.begin(), atoms_.begin() + static_cast<ptrdiff_t>(from));
    rest.insert(rest.end(), atoms_.begin() + static_cast<ptrdiff_t>(from + count), atoms_.end());
    return rest;
  }

  // Ranges of `size` bytes, one beginning `step` after the other. True: something went.
  bool drop_some(size_t size, size_t step) {
    bool dropped = false;
    std::vector<Atoms> choices;
    for (size_t at = 0; at < atoms_.size() && going_on();) {
      Atoms rest = without(at, std::min(size, atoms_.size() - at));
      const size_t here = at;
      at += step;
      if (!rest.empty() && seen_.insert(content(rest)).second) choices.push_back(std::move(rest));
      const bool last = at >= atoms_.size();
      if (choices.size() < options_.at_once && !last) continue;
      if (!choices.empty() && take_first(choices)) {
        dropped = true;
        at = here > step * options_.at_once ? here - step * options_.at_once : 0;
      }
    }
    return dropped;
  }

  bool drop_any_range() {
    for (size_t size = 2; size <= atoms_.size() / 2 && going_on(); size *= 2) {
      if (drop_some(size, 1)) return true;
    }
    return false;
  }

  void drop_messages() {
    std::set<uint32_t> messages;
    for (const Atom& atom : atoms_) messages.insert(atom.message);
    for (const uint32_t message : messages) {
      Atoms rest = atoms_;
      std::erase_if(rest, [&](const Atom& atom) { return atom.message == message; });
      if (rest.empty() || !going_on()) continue;
      std::vector<Atoms> choice{std::move(rest)};
      seen_.insert(content(choice.front()));
      take_first(choice);
    }
  }

  // Ranges whose values can be others, several asked about at once; where they cannot, the halves of them are.
  void find_needed() {
    changed_ = recording_;
    std::vector<Range> ranges;
    for (size_t at = 0; at < atoms_.size(); at += kRangeBytes)
      ranges.push_back({at, std::min(at + kRangeBytes, atoms_.size())});
    while (!ranges.empty() && going_on()) {
      std::vector<Range> smaller;
      for (const Range& each : that_cannot_be_others(ranges)) {
        if (each.to - each.from == 1) {
          needed_.push_back(atoms_[each.from]);
          continue;
        }
        const size_t middle = each.from + (each.to - each.from) / 2;
        smaller.push_back({each.from, middle});
        smaller.push_back({middle, each.to});
      }
      ranges = std::move(smaller);
    }
    for (const Range& each : ranges)  // what could not be asked about any more counts as needed
      needed_.insert(needed_.end(), atoms_.begin() + static_cast<ptrdiff_t>(each.from),
                     atoms_.begin() + static_cast<ptrdiff_t>(each.to));
    std::sort(needed_.begin(), needed_.end());
  }
  struct Range {
    size_t from, to;
  };
  // Of those that can each be others, all are made so at once; where they cannot together, one after the other.
  std::vector<Range> that_cannot_be_others(const std::vector<Range>& ranges) {
    std::vector<Range> can, cannot;
    for (size_t at = 0; at < ranges.size(); at += options_.at_once) {
      std::vector<Recording> choices;
      const size_t end = std::min(ranges.size(), at + options_.at_once);
      for (size_t i = at; i < end; ++i) choices.push_back(with_others({ranges[i]}));
      const std::vector<bool> attacks = ask(choices);
      for (size_t i = at; i < end; ++i) (attacks[i - at] ? can : cannot).push_back(ranges[i]);
    }
    if (can.empty() || take(with_others(can))) return cannot;
    for (const Range& each : can) {
      if (!take(with_others({each}))) cannot.push_back(each);
    }
    return cannot;
  }
  Recording with_others(const std::vector<Range>& ranges) const {
    Recording others = changed_;
    for (const Range& range : ranges) {
      for (size_t i = range.from; i < range.to; ++i) {
        uint8_t& byte = others.messages[atoms_[i].message].bytes[atoms_[i].offset];
        byte = another(byte);
      }
    }
    return others;
  }
  std::vector<bool> ask(const std::vector<Recording>& choices) {
    std::vector<Candidate> candidates;
    for (const Recording& each : choices) candidates.push_back(reduced(each, plan_, places_of(atoms_)));
    asked_ += static_cast<uint32_t>(candidates.size());
    if (progress_) progress_(atoms_.size(), asked_);
    return still_attacks_(candidates);
  }
  bool take(Recording others) {
    if (!ask({others}).front()) return false;
    changed_ = std::move(others);
    return true;
  }

  const Recording& recording_;
  const Plan& plan_;
  const StillAttacks& still_attacks_;
  const MinimiseOptions& options_;
  const MinimiseProgress& progress_;
  const std::atomic<bool>& stop_;
  Atoms atoms_;
  Atoms needed_;
  Recording changed_;
  std::unordered_set<size_t> seen_;  // what raised no alert, or was taken
  uint32_t asked_ = 1;
};

}  // namespace

Candidate reduced(const Recording& recording, const Plan& plan, const std::vector<Place>& kept) {
  Candidate made{recording, plan};
  const uint32_t trigger = recording.trigger().value_or(0);
  KeptBefore before(recording.messages.size());
  for (uint32_t i = 0; i < recording.messages.size(); ++i) {
    Message& message = made.recording.messages[i];
    if (message.direction != Direction::to_bait) continue;
    before[i] = kept_before(message, i <= trigger ? kept : std::vector<Place>{}, i);
    shorten(message, before[i]);
  }
  std::erase_if(made.plan.fields, [&](Field& field) { return !shift(field, before); });
  return made;
}

Result<Minimal> minimise(const Recording& recording, const Plan& plan, const StillAttacks& still_attacks,
                         const MinimiseOptions& options, const MinimiseProgress& progress,
                         const std::atomic<bool>& stop) {
  const auto trigger = recording.trigger();
  if (!trigger) return fail("the client sent nothing in this recording");
  return Minimiser(recording, plan, still_attacks, options, progress, stop).run(*trigger);
}

}  // namespace skep::replay
