// A plan while it is being made: fields are claimed, one place once. One thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "replay/plan.h"

namespace skep::replay {

// In order of their places.
void sort_fields(std::vector<Field>& fields);

class Draft {
 public:
  explicit Draft(const Recording& recording) : recording_(recording), claims_(recording.messages.size()) {}

  const Recording& recording() const { return recording_; }
  ByteView bytes(uint32_t message) const { return recording_.messages[message].bytes; }
  ByteView bytes(const Place& place) const { return bytes(place.message).subspan(place.offset, place.bytes); }
  bool is_client(uint32_t message) const { return recording_.messages[message].direction == Direction::to_bait; }

  // False: some of it is taken, or there are kFieldsMax already.
  bool claim(const Place& place, decltype(Field::what) what, std::string why);
  bool is_free(const Place& place) const;
  // The free parts of a place, in order.
  std::vector<Place> free_parts(const Place& place) const;
  const std::vector<Field>& fields() const { return fields_; }
  void give_up(std::string why);
  void name_port(NamedPort named) { named_ports_.push_back(std::move(named)); }
  void sort() { sort_fields(fields_); }
  Plan take(Rung rung);

 private:
  const Recording& recording_;
  std::vector<std::map<uint32_t, uint32_t>> claims_;  // by message: from → to
  std::vector<Field> fields_;
  std::vector<NamedPort> named_ports_;
  bool gave_up_ = false;
  std::string why_;
};

// Of a client's message, from fields in order of places.
std::pair<size_t, size_t> fields_of(const std::vector<Field>& fields, uint32_t message);

}  // namespace skep::replay
