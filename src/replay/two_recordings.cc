// The plan from two recordings of one dialogue: what the plan from one of them says must hold of the other too, and
// what differs besides is looked up in what both servers had said.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "replay/checksums.h"
#include "replay/crypto_marks.h"
#include "replay/differences.h"
#include "replay/draft.h"
#include "replay/ends.h"
#include "replay/filled.h"
#include "replay/forms.h"
#include "replay/lengths.h"
#include "replay/locate.h"
#include "replay/pairs.h"
#include "replay/tokens.h"

namespace skep::replay {

namespace {

constexpr size_t kVariablesMax = 1024;                 // differing places that are looked up
constexpr size_t kSearchedBytesMax = size_t{1} << 20;  // of what the server had said before, the newest
constexpr size_t kSearchedInAll = size_t{64} << 20;
constexpr size_t kVariableBytesMax = 64 << 10;

// A place of the recording, and what stands there in the other.
struct Variable {
  Place place;
  Bytes other;
};

bool is_solved(const Field& field) {
  return std::holds_alternative<Length>(field.what) || std::holds_alternative<Checksum>(field.what);
}
bool is_source(const Field& field) {
  return std::holds_alternative<Echo>(field.what) || std::holds_alternative<Address>(field.what) ||
         std::holds_alternative<Clock>(field.what);
}

// RFC 6455: what the client's frame says without its mask; nullopt: the message is no such frame, whole and alone.
std::optional<Bytes> unmasked(ByteView frame) {
  if (frame.size() < 6 || (frame[0] & 0x70) != 0 || (frame[1] & 0x80) == 0) return std::nullopt;
  ByteReader in(frame.subspan(1));
  uint64_t size = in.le<uint8_t>() & 0x7F;
  if (size == 126)
    size = in.be<uint16_t>();
  else if (size == 127)
    size = in.be<uint64_t>();
  const ByteView mask = in.raw(4);
  if (!in.ok() || in.left() != size) return std::nullopt;
  Bytes out;
  for (const uint8_t byte : in.raw(size)) out.push_back(byte ^ mask[out.size() % 4]);
  return out;
}

// Masks are the client's choice.
bool differ_by_masks_alone(ByteView one, ByteView other) {
  const auto said = unmasked(one);
  return said && one[0] == other[0] && said == unmasked(other);
}

class TwoRecordings {
 public:
  TwoRecordings(const Recording& one, const Recording& other) : one_(one), other_(other), pairs_(pairs_of(one, other)) {
    said_.resize(one.messages.size());
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (pairs_[i] && one.messages[i].direction == Direction::to_client) said_[i] = other.messages[*pairs_[i]].bytes;
    }
  }

  // Half of what the client said has something beside it.
  bool may_be_one_dialogue() const {
    size_t client = 0, paired = 0;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (one_.messages[i].direction != Direction::to_bait) continue;
      ++client;
      paired += pairs_[i].has_value();
    }
    return client > 0 && 2 * paired >= client;
  }

  Plan run() {
    Plan plan = plan_echoes(one_);
    std::erase_if(plan.fields, [&](const Field& field) {
      return !is_solved(field) && (!is_source(field) || !fill_field(one_, field, around(field.place.message)));
    });
    drop_what_is_wrong(plan);
    Draft draft(one_);
    for (Field& field : plan.fields) draft.claim(field.place, std::move(field.what), std::move(field.why));
    for (const Variable& variable : variables(plan_of(draft))) resolve(draft, variable);
    claim_lengths(draft);
    claim_checksums(draft);
    Plan whole = plan_of(draft);
    drop_what_is_wrong(whole);
    return classified(std::move(whole), plan);
  }

 private:
  // As the other recording's client was.
  Surroundings around(uint32_t message) const {
    Surroundings out;
    out.target = other_.connections.empty() ? Endpoint() : other_.connections[0].server;
    out.own = other_.connections.empty() ? Endpoint() : other_.connections[0].client;
    for (const RecordedConnection& connection : other_.connections) {
      if (connection.by_service) out.sink_port = connection.server.port;
    }
    out.now_ns = pairs_[message] ? other_.messages[*pairs_[message]].begun_ns : 0;
    out.answers = &said_;
    return out;
  }

  static Plan plan_of(const Draft& draft) {
    Plan plan;
    plan.rung = Rung::two_recordings;
    plan.fields = draft.fields();
    sort_fields(plan.fields);
    return plan;
  }

  bool is_compared(uint32_t message) const {
    return one_.messages[message].direction == Direction::to_bait && pairs_[message];
  }

  // Fields that give other bytes than the other client sent. A wrong value makes the length around it look wrong too,
  // so values go first.
  void drop_what_is_wrong(Plan& plan) {
    as_said_.assign(one_.messages.size(), false);
    for (const bool solved : {false, true}) {
      std::set<std::pair<uint32_t, uint32_t>> wrong;
      for (uint32_t message = 0; message < one_.messages.size(); ++message) {
        if (!is_compared(message) || as_said_[message]) continue;
        const auto filled = fill_with_parts(one_, plan, message, around(message));
        if (!filled) {
          note_all(plan, message, solved, wrong);
          continue;
        }
        const ByteView there = other_.messages[*pairs_[message]].bytes;
        const std::vector<Difference> all = differences(filled->bytes, there);
        as_said_[message] = all.empty();
        for (const Difference& each : all) {
          for (const Filled::Part& part : filled->parts) {
            const bool touched = part.from < each.to && each.from < part.to;
            if (touched && is_solved(*part.field) == solved && !counts_what_it_should(*filled, part, each, all, there))
              wrong.emplace(part.field->place.message, part.field->place.offset);
          }
        }
      }
      std::erase_if(plan.fields, [&](const Field& field) {
        return wrong.contains({field.place.message, field.place.offset});
      });
    }
  }

  // A length that is another by just as much as the counted bytes are more or fewer: what the client chose is as long
  // as it likes.
  static bool counts_what_it_should(const Filled& filled, const Filled::Part& part, const Difference& at,
                                    const std::vector<Difference>& all, ByteView there) {
    const auto* const length = std::get_if<Length>(&part.field->what);
    if (length == nullptr || length->of_message || at.from < part.from || at.to > part.to) return false;
    const uint32_t before = at.from - part.from, behind = part.to - at.to;
    if (before > at.other_from || behind > there.size() - at.other_to) return false;
    const auto ours = read_value(length->write, ByteView(filled.bytes).subspan(part.from, part.to - part.from));
    const auto theirs =
        read_value(length->write, there.subspan(at.other_from - before, before + at.other_to - at.other_from + behind));
    if (!ours || !theirs) return false;
    const int64_t from = now_at(filled, length->from), to = now_at(filled, length->to);
    int64_t more = 0;
    for (const Difference& each : all) {
      if (each.from >= from && each.to <= to)
        more += int64_t{each.other_to} - each.other_from - (int64_t{each.to} - each.from);
    }
    return static_cast<int64_t>(std::get<uint64_t>(*theirs) - std::get<uint64_t>(*ours)) == more;
  }

  // Where the recorded offset is in what was filled.
  static int64_t now_at(const Filled& filled, uint32_t offset) {
    int64_t now = offset;
    for (const Filled::Part& part : filled.parts) {
      const Place& place = part.field->place;
      if (place.offset + place.bytes > offset) break;
      now += int64_t{part.to} - part.from - place.bytes;
    }
    return now;
  }

  static void note_all(const Plan& plan, uint32_t message, bool solved,
                       std::set<std::pair<uint32_t, uint32_t>>& wrong) {
    const auto [begin, end] = fields_of(plan.fields, message);
    for (size_t i = begin; i < end; ++i) {
      if (is_solved(plan.fields[i]) == solved) wrong.emplace(message, plan.fields[i].place.offset);
    }
  }

  // What still differs, outside the fields: of the plan from which was dropped what is wrong.
  std::vector<Variable> variables(const Plan& plan) const {
    std::vector<Variable> out;
    for (uint32_t message = 0; message < one_.messages.size(); ++message) {
      if (!is_compared(message) || as_said_[message]) continue;
      const auto filled = fill_with_parts(one_, plan, message, around(message));
      if (!filled) continue;
      const ByteView there = other_.messages[*pairs_[message]].bytes;
      for (const Difference& each : differences(filled->bytes, there)) {
        const auto place = recorded_place(*filled, message, each);
        if (!place || out.size() >= kVariablesMax || place->bytes > kVariableBytesMax) continue;
        const ByteView other = there.subspan(each.other_from, each.other_to - each.other_from);
        out.push_back({*place, Bytes(other.begin(), other.end())});
      }
    }
    return out;
  }

  static std::optional<Place> recorded_place(const Filled& filled, uint32_t message, const Difference& difference) {
    int64_t shift = 0;
    for (const Filled::Part& part : filled.parts) {
      if (part.from >= difference.to) break;
      if (part.to > difference.from) return std::nullopt;
      shift += static_cast<int64_t>(part.field->place.bytes) - (part.to - part.from);
    }
    if (difference.from == difference.to) return std::nullopt;  // only the other has something there
    return Place{message, static_cast<uint32_t>(difference.from + shift), difference.to - difference.from};
  }

  // The same value is found once; the later ones are where it was found.
  void resolve(Draft& draft, const Variable& variable) {
    if (resolve_whole(draft, variable)) return;
    const std::vector<Place> ours = words(draft.bytes(variable.place)), theirs = words(variable.other);
    if (ours.size() != theirs.size() || ours.size() < 2) return;
    for (size_t i = 0; i < ours.size(); ++i) {
      const ByteView other = ByteView(variable.other).subspan(theirs[i].offset, theirs[i].bytes);
      resolve_whole(draft, {{variable.place.message, variable.place.offset + ours[i].offset, ours[i].bytes},
                            Bytes(other.begin(), other.end())});
    }
  }

  static std::vector<Place> words(ByteView bytes) {
    std::vector<Place> out;
    for (uint32_t at = 0; at < bytes.size(); ++at) {
      if (!is_word(bytes[at])) continue;
      uint32_t end = at;
      while (end < bytes.size() && is_word(bytes[end])) ++end;
      out.push_back({0, at, end - at});
      at = end;
    }
    return out;
  }

  bool resolve_whole(Draft& draft, const Variable& variable) {
    if (variable.other.empty()) return false;
    const ByteView ours = draft.bytes(variable.place);
    const auto key = std::pair(Bytes(ours.begin(), ours.end()), variable.other);
    auto known = found_.find(key);
    if (known == found_.end() || (known->second && known->second->source.message >= variable.place.message))
      known = found_.insert_or_assign(key, source_of(ours, variable.other, variable.place.message)).first;
    if (!known->second) return false;
    const Echo& echo = *known->second;
    return draft.claim(variable.place, echo,
                       fmt::format("echo of message {} in both recordings, {} to {}", echo.source.message,
                                   to_string(echo.read), to_string(echo.write)));
  }

  std::optional<Echo> source_of(ByteView ours, ByteView theirs, uint32_t before) {
    constexpr Form kForms[] = {Form::identity,  Form::percent, Form::hex_lower, Form::hex_upper, Form::base64,
                               Form::base64url, Form::json,    Form::html,      Form::decimal,   Form::hex_number,
                               Form::be32,      Form::le32,    Form::be16,      Form::le16};
    for (const Form write : kForms) {
      const auto value = read_value(write, ours), other = read_value(write, theirs);
      if (!value || !other || *value == *other) continue;
      for (const Form read : kForms) {
        if (is_number(read) != is_number(write) || (read == write && read != Form::identity)) continue;
        const auto needle = write_value(read, *value, {});
        if (!needle || needle->size() < (is_number(read) ? 2u : 1u)) continue;
        if (auto echo = said_in_both(*needle, {read, write}, *value, *other, before)) return echo;
      }
    }
    return std::nullopt;
  }

  std::optional<Echo> said_in_both(ByteView needle, std::pair<Form, Form> forms, const Value& value, const Value& other,
                                   uint32_t before) {
    size_t searched = 0;
    for (uint32_t message = before; message-- > 0 && searched < kSearchedBytesMax && searched_ < kSearchedInAll;) {
      const Message& said = one_.messages[message];
      if (said.direction != Direction::to_client || !pairs_[message]) continue;
      searched += said.bytes.size();
      searched_ += said.bytes.size();
      const std::string_view text = as_text(said.bytes);
      int looked = 0;
      for (size_t at = text.find(as_text(needle)); at != text.npos && looked < kLookedAt;
           at = text.find(as_text(needle), at + 1), ++looked) {
        Echo echo;
        echo.source = {message, static_cast<uint32_t>(at), static_cast<uint32_t>(needle.size())};
        echo.read = forms.first;
        echo.write = forms.second;
        take_context(said.bytes, echo);
        if (integer_bytes(echo.read) > 0) echo.fixed_size = true, echo.counted_by.reset();
        if (value_in(said.bytes, echo, said.bytes) == value && value_in(said.bytes, echo, said_[message]) == other)
          return echo;
      }
    }
    return std::nullopt;
  }

  static std::optional<Value> value_in(ByteView recorded, const Echo& echo, ByteView answer) {
    const auto place = locate(recorded, echo, answer);
    return place ? read_value(echo.read, answer.subspan(place->first, place->second - place->first)) : std::nullopt;
  }

  // What still differs is the client's choice, unless it may depend on what the server said.
  Plan classified(Plan plan, const Plan& first) const {
    Draft draft(one_);
    const std::vector<Variable> left = variables(plan);
    for (Field& field : plan.fields) draft.claim(field.place, std::move(field.what), std::move(field.why));
    for (const Variable& variable : left) {
      const ByteView bytes = draft.bytes(variable.place);
      const bool digest = is_as_digest(bytes) && is_as_digest(variable.other);
      const ByteView there = other_.messages[*pairs_[variable.place.message]].bytes;
      const bool depends = !differ_by_masks_alone(draft.bytes(variable.place.message), there) &&
                           nonce_before(variable.place.message) && (digest || is_random(bytes, variable.other)) &&
                           !is_behind_chosen_name(draft.bytes(variable.place.message), variable.place.offset);
      if (depends)
        draft.claim(variable.place, Unresolved{digest}, "differs between the recordings, behind a nonce of the server");
      else
        draft.claim(variable.place, Chosen{}, "differs between the recordings, and not by what the server said");
    }
    name_ports(draft);
    Plan out = draft.take(Rung::two_recordings);
    out.crypto = recognised_crypto(one_);
    if (first.gave_up_looking) out.gave_up_looking = true, out.why = first.why;
    return out;
  }

  static bool is_random(ByteView one, ByteView other) {
    const auto random = [](ByteView bytes) {
      return is_text(bytes) ? bits_of_chance(bytes) > 2 * kGuessableBits : is_unguessable_binary(bytes);
    };
    return random(one) && random(other);
  }

  // The server said something that nobody could know, and other in each recording.
  bool nonce_before(uint32_t message) const {
    for (uint32_t i = 0; i < message; ++i) {
      if (one_.messages[i].direction == Direction::to_client && said_[i] != one_.messages[i].bytes &&
          holds_nonce(one_.messages[i].bytes))
        return true;
    }
    return false;
  }

  static constexpr int kLookedAt = 8;  // occurrences in one message
  const Recording& one_;
  const Recording& other_;
  Pairs pairs_;
  std::vector<Bytes> said_;    // by the other's server, beside the messages of the one
  std::vector<bool> as_said_;  // the plan gives the very bytes of the other's client
  std::map<std::pair<Bytes, Bytes>, std::optional<Echo>> found_;
  size_t searched_ = 0;
};

}  // namespace

Result<Plan> plan_two_recordings(const Recording& recording, const Recording& other) {
  if (std::max(recording.payload_bytes(), other.payload_bytes()) > kPlannedBytesMax)
    return fail("a recording is too large to be laid beside another");
  TwoRecordings two(recording, other);
  if (!two.may_be_one_dialogue())
    return fail("{} and {} are not of the same dialogue: their messages do not stand beside each other", recording.name,
                other.name);
  return two.run();
}

}  // namespace skep::replay
