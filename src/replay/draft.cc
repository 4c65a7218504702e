#include "replay/draft.h"

#include <algorithm>

namespace skep::replay {

bool Draft::claim(const Place& place, decltype(Field::what) what, std::string why) {
  if (place.bytes == 0 || !is_free(place)) return false;
  if (fields_.size() >= kFieldsMax) {
    give_up("there are more fields than a plan may have");
    return false;
  }
  claims_[place.message].emplace(place.offset, place.offset + place.bytes);
  fields_.push_back({place, std::move(what), std::move(why)});
  return true;
}

bool Draft::is_free(const Place& place) const {
  const auto& claims = claims_[place.message];
  const auto behind = claims.lower_bound(place.offset + place.bytes);
  return behind == claims.begin() || std::prev(behind)->second <= place.offset;
}

std::vector<Place> Draft::free_parts(const Place& place) const {
  std::vector<Place> parts;
  const auto& claims = claims_[place.message];
  uint32_t at = place.offset;
  const uint32_t end = place.offset + place.bytes;
  auto claim = claims.upper_bound(at);
  if (claim != claims.begin() && std::prev(claim)->second > at) at = std::prev(claim)->second;
  for (; claim != claims.end() && claim->first < end; ++claim) {
    if (claim->first > at) parts.push_back({place.message, at, claim->first - at});
    at = claim->second;
  }
  if (at < end) parts.push_back({place.message, at, end - at});
  return parts;
}

void Draft::give_up(std::string why) {
  if (!gave_up_) why_ = std::move(why);
  gave_up_ = true;
}

void sort_fields(std::vector<Field>& fields) {
  std::sort(fields.begin(), fields.end(), [](const Field& a, const Field& b) {
    return std::pair(a.place.message, a.place.offset) < std::pair(b.place.message, b.place.offset);
  });
}

Plan Draft::take(Rung rung) {
  sort();
  Plan plan;
  plan.rung = rung;
  plan.fields = std::move(fields_);
  plan.named_ports = std::move(named_ports_);
  plan.gave_up_looking = gave_up_;
  plan.why = std::move(why_);
  return plan;
}

std::pair<size_t, size_t> fields_of(const std::vector<Field>& fields, uint32_t message) {
  const auto by_message = [](const Field& field, uint32_t wanted) { return field.place.message < wanted; };
  const auto begin = std::lower_bound(fields.begin(), fields.end(), message, by_message);
  const auto end = std::lower_bound(begin, fields.end(), message + 1, by_message);
  return {begin - fields.begin(), end - fields.begin()};
}

}  // namespace skep::replay
