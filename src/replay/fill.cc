// A message as it is sent this time: values first, then the lengths that lie around them, then checksums over both.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "replay/checksums.h"
#include "replay/filled.h"
#include "replay/forms.h"
#include "replay/locate.h"
#include "replay/plan.h"

namespace skep::replay {

namespace {

constexpr int kRoundsMax = 8;  // a length that gains a digit may change another around it

ByteView recorded_at(const Recording& recording, const Place& place) {
  return ByteView(recording.messages[place.message].bytes).subspan(place.offset, place.bytes);
}

// The fields of one message, and what stands in their places this time.
struct Edit {
  const Field* field;
  Bytes content;
};

struct Filling {
  const Recording& recording;
  const Plan& plan;
  uint32_t message;
  const Surroundings& around;
};

ByteView answer_to(const Filling& filling, uint32_t message) {
  const std::vector<Bytes>* const answers = filling.around.answers;
  return answers != nullptr && message < answers->size() ? ByteView((*answers)[message]) : ByteView();
}

// The value as it is written this time; the very bytes that were recorded where it is the same.
Result<Bytes> written(Form form, const Value& value, ByteView recorded) {
  const auto same = read_value(form, recorded);
  if (same && *same == value) return Bytes(recorded.begin(), recorded.end());
  auto bytes = write_value(form, value, recorded);
  if (!bytes) return fail("a value does not fit where it stood, as {}", to_string(form));
  return std::move(*bytes);
}

Result<Bytes> content_of(const Filling& filling, const Echo& echo, ByteView recorded) {
  const ByteView said = filling.recording.messages[echo.source.message].bytes;
  const ByteView answer = answer_to(filling, echo.source.message);
  const auto place = locate(said, echo, answer);
  auto value = place ? read_value(echo.read, answer.subspan(place->first, place->second - place->first))
                     : std::optional<Value>();
  if (!value)
    return fail("message {} needs what the service said in message {} behind '{}': its answer does not hold it",
                filling.message, echo.source.message, printable(echo.before));
  if (auto* const bytes = std::get_if<Bytes>(&*value)) {
    bytes->insert(bytes->begin(), echo.head.begin(), echo.head.end());
    bytes->insert(bytes->end(), echo.tail.begin(), echo.tail.end());
  }
  return written(echo.write, *value, recorded);
}

Result<Bytes> address(const Endpoint& endpoint, Form form, ByteView recorded) {
  const std::string text = address_text(endpoint);
  if (form == Form::identity) return Bytes(text.begin(), text.end());
  if (!endpoint.is_v4()) return fail("{} does not fit where an IPv4 address stood", text);
  if (form == Form::octet_pair) {
    Bytes commas(text.begin(), text.end());
    std::replace(commas.begin(), commas.end(), '.', ',');
    return commas;
  }
  const auto number = read_value(Form::be32, ByteView(endpoint.address).last(4));
  return written(form, *number, recorded);
}

Result<Bytes> content_of(const Filling& filling, const Address& wanted, ByteView recorded) {
  const Surroundings& around = filling.around;
  switch (wanted.of) {
    case AddressOf::target_address:
      return address(around.target, wanted.write, recorded);
    case AddressOf::own_address:
      return address(around.own, wanted.write, recorded);
    case AddressOf::target_port:
      return written(wanted.write, uint64_t{around.target.port}, recorded);
    case AddressOf::own_port:
      return written(wanted.write, uint64_t{around.own.port}, recorded);
    case AddressOf::sink_port:
      if (around.sink_port == 0) return Bytes(recorded.begin(), recorded.end());
      return written(wanted.write, uint64_t{around.sink_port}, recorded);
  }
  return Bytes();
}

// As far from the time of the message as it was.
Result<Bytes> content_of(const Filling& filling, const Clock& clock, ByteView recorded) {
  const auto value = read_value(clock.write, recorded);
  if (!value || clock.unit_ns <= 0) return Bytes(recorded.begin(), recorded.end());
  const int64_t passed =
      filling.around.now_ns / clock.unit_ns - filling.recording.messages[filling.message].begun_ns / clock.unit_ns;
  return written(clock.write, std::get<uint64_t>(*value) + static_cast<uint64_t>(passed), recorded);
}

template <typename AsRecorded>
Result<Bytes> content_of(const Filling&, const AsRecorded&, ByteView recorded) {
  return Bytes(recorded.begin(), recorded.end());
}

// Where the recorded offset is once the contents stand in their places.
int64_t moved(const std::vector<Edit>& edits, uint32_t offset) {
  int64_t to = offset;
  for (const Edit& edit : edits) {
    if (edit.field->place.offset + edit.field->place.bytes > offset) break;
    to += static_cast<int64_t>(edit.content.size()) - edit.field->place.bytes;
  }
  return to;
}

Result<std::vector<Edit>> edits_of(const Filling& filling);

int64_t size_now(const Filling& filling, const std::vector<Edit>& edits, const Length& length) {
  if (!length.of_message) return moved(edits, length.to) - moved(edits, length.from);
  const auto size = static_cast<int64_t>(filling.recording.messages[*length.of_message].bytes.size());
  if (*length.of_message <= filling.message) return size;
  const auto others = edits_of({filling.recording, filling.plan, *length.of_message, filling.around});
  return others ? moved(*others, static_cast<uint32_t>(size)) : size;
}

// False: all lengths are as they were.
Result<bool> solve_lengths(const Filling& filling, std::vector<Edit>& edits) {
  bool changed = false;
  for (Edit& edit : edits) {
    const auto* const length = std::get_if<Length>(&edit.field->what);
    if (length == nullptr) continue;
    const int64_t value = size_now(filling, edits, *length) + length->plus;
    if (value < 0) return fail("message {}: a length came out below 0", filling.message);
    auto content =
        written(length->write, static_cast<uint64_t>(value), recorded_at(filling.recording, edit.field->place));
    if (!content) return wrap(fmt::format("message {}: a length", filling.message), content);
    while (content->size() < length->width) content->insert(content->begin(), static_cast<uint8_t>(length->pad));
    changed |= *content != edit.content;
    edit.content = std::move(*content);
  }
  return changed;
}

Result<std::vector<Edit>> edits_of(const Filling& filling) {
  const auto before = [](const Field& field, uint32_t message) { return field.place.message < message; };
  const auto& fields = filling.plan.fields;
  std::vector<Edit> edits;
  if (filling.recording.messages[filling.message].bytes.empty()) return edits;  // the harmless twin leaves it out
  for (auto field = std::lower_bound(fields.begin(), fields.end(), filling.message, before);
       field != fields.end() && field->place.message == filling.message; ++field) {
    const ByteView recorded = recorded_at(filling.recording, field->place);
    auto content = std::visit([&](const auto& what) { return content_of(filling, what, recorded); }, field->what);
    if (!content) return wrap(fmt::format("at byte {}", field->place.offset), content);
    edits.push_back({&*field, std::move(*content)});
  }
  for (int round = 0; round < kRoundsMax; ++round) {
    const auto changed = solve_lengths(filling, edits);
    if (!changed) return tl::unexpected(changed.error());
    if (!*changed) break;
  }
  return edits;
}

Bytes assembled(ByteView recorded, const std::vector<Edit>& edits) {
  Bytes out;
  size_t at = 0;
  for (const Edit& edit : edits) {
    const Place& place = edit.field->place;
    out.insert(out.end(), recorded.begin() + static_cast<ptrdiff_t>(at), recorded.begin() + place.offset);
    out.insert(out.end(), edit.content.begin(), edit.content.end());
    at = place.offset + place.bytes;
  }
  out.insert(out.end(), recorded.begin() + static_cast<ptrdiff_t>(at), recorded.end());
  return out;
}

// A checksum is as wide as it was.
std::optional<Bytes> written_sum(const Checksum& sum, uint32_t value, ByteView recorded) {
  if (is_number(sum.write)) return write_value(sum.write, uint64_t{value}, recorded);
  Bytes bytes;
  for (size_t i = recorded.size() / 2; i-- > 0;) bytes.push_back(i < 4 ? static_cast<uint8_t>(value >> (8 * i)) : 0);
  return write_value(sum.write, bytes, recorded);
}

// The narrowest first: a checksum may stand among the bytes of another.
Status sum_up(const Filling& filling, const std::vector<Edit>& edits, Bytes& message) {
  std::vector<std::pair<const Edit*, const Checksum*>> sums;
  for (const Edit& edit : edits) {
    if (const auto* const sum = std::get_if<Checksum>(&edit.field->what)) sums.emplace_back(&edit, sum);
  }
  std::stable_sort(sums.begin(), sums.end(), [](const auto& a, const auto& b) {
    return a.second->to - a.second->from < b.second->to - b.second->from;
  });
  for (const auto& [edit, sum] : sums) {
    const auto from = static_cast<size_t>(moved(edits, sum->from)), to = static_cast<size_t>(moved(edits, sum->to));
    const uint32_t value = checksum(sum->kind, ByteView(message).subspan(from, to - from));
    const auto content = written_sum(*sum, value, recorded_at(filling.recording, edit->field->place));
    if (!content || content->size() != edit->content.size())
      return fail("message {}: a checksum does not fit where it stood", filling.message);
    std::copy(content->begin(), content->end(), message.begin() + moved(edits, edit->field->place.offset));
  }
  return {};
}

bool holds(const Recording& recording, const Echo& echo, uint32_t message, ByteView answer) {
  if (echo.source.message != message) return true;
  const auto place = locate(recording.messages[message].bytes, echo, answer);
  return place && read_value(echo.read, answer.subspan(place->first, place->second - place->first));
}

}  // namespace

Result<Filled> fill_with_parts(const Recording& recording, const Plan& plan, uint32_t message,
                               const Surroundings& around) {
  SKEP_CHECK(message < recording.messages.size());
  const Filling filling{recording, plan, message, around};
  const auto edits = edits_of(filling);
  if (!edits) return tl::unexpected(edits.error());
  Filled filled;
  filled.bytes = assembled(recording.messages[message].bytes, *edits);
  if (const Status summed = sum_up(filling, *edits, filled.bytes); !summed) return tl::unexpected(summed.error());
  int64_t shift = 0;
  for (const Edit& edit : *edits) {
    const auto from = static_cast<uint32_t>(edit.field->place.offset + shift);
    filled.parts.push_back({edit.field, from, from + static_cast<uint32_t>(edit.content.size())});
    shift += static_cast<int64_t>(edit.content.size()) - edit.field->place.bytes;
  }
  return filled;
}

Result<Bytes> fill_field(const Recording& recording, const Field& field, const Surroundings& around) {
  const Plan none;
  const Filling filling{recording, none, field.place.message, around};
  return std::visit([&](const auto& what) { return content_of(filling, what, recorded_at(recording, field.place)); },
                    field.what);
}

Result<Bytes> fill(const Recording& recording, const Plan& plan, uint32_t message, const Surroundings& around) {
  auto filled = fill_with_parts(recording, plan, message, around);
  if (!filled) return tl::unexpected(filled.error());
  return std::move(filled->bytes);
}

bool holds_all_sources(const Recording& recording, const Plan& plan, uint32_t message, ByteView answer) {
  const auto holds_field = [&](const Field& field) {
    const auto* const echo = std::get_if<Echo>(&field.what);
    return echo == nullptr || holds(recording, *echo, message, answer);
  };
  const auto holds_port = [&](const NamedPort& named) { return holds(recording, named.port, message, answer); };
  return std::all_of(plan.fields.begin(), plan.fields.end(), holds_field) &&
         std::all_of(plan.named_ports.begin(), plan.named_ports.end(), holds_port);
}

std::optional<uint16_t> named_port(const Recording& recording, const Plan& plan, uint32_t connection,
                                   const Surroundings& around) {
  const auto named = std::find_if(plan.named_ports.begin(), plan.named_ports.end(),
                                  [&](const NamedPort& each) { return each.connection == connection; });
  if (named == plan.named_ports.end()) return std::nullopt;
  const Place& source = named->port.source;
  const ByteView answer = answer_to({recording, plan, source.message, around}, source.message);
  const auto place = locate(recording.messages[source.message].bytes, named->port, answer);
  const auto value = place ? read_value(named->port.read, answer.subspan(place->first, place->second - place->first))
                           : std::optional<Value>();
  const auto* const port = value ? std::get_if<uint64_t>(&*value) : nullptr;
  if (port == nullptr || *port == 0 || *port > 0xFFFF) return std::nullopt;
  return static_cast<uint16_t>(*port);
}

}  // namespace skep::replay
