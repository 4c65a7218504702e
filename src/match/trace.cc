#include "match/trace.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/text.h"
#include "match/condition_calls.h"
#include "match/stage.h"
#include "match/syscalls.h"
#include "match/values.h"
#include "model/session.h"

namespace skep::match {
namespace {

constexpr std::string_view kStageWords[] = {"before", "hook", "exec", "after"};  // by skep_stage

uint64_t hash_of(std::string_view name) {
  return skep_name_hash(name.data(), static_cast<uint32_t>(name.size()));
}

std::string_view last_part(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// What stands behind the last dot, as a hash; of none 0. A dot at the very beginning begins no extension.
uint64_t extension_of(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? 0 : hash_of(name.substr(dot + 1));
}

uint64_t traits_of(std::string_view path) {
  uint64_t traits = 0;
  for (const std::string_view part : split(path, '/')) traits |= part == ".." ? SKEP_PATH_CLIMBS : 0;
  const std::string_view last = last_part(path);
  return traits | (last.starts_with('.') && last != "." && last != ".." ? SKEP_PATH_HIDDEN : 0);
}

// The folders above, the nearest first.
std::vector<uint64_t> folders_of(const std::string& path) {
  std::vector<uint64_t> folders;
  for (size_t slash = path.rfind('/'); slash != std::string::npos && folders.size() < SKEP_FOLDERS_MAX;
       slash = slash == 0 ? std::string::npos : path.rfind('/', slash - 1)) {
    const auto folder = resolve_nothing().object(slash == 0 ? "/" : path.substr(0, slash));
    if (folder) folders.push_back(*folder);
  }
  return folders;
}

bool among(const std::vector<std::string>& values, std::initializer_list<std::string_view> wanted) {
  return std::find(wanted.begin(), wanted.end(), values.at(0)) != wanted.end();
}

// The network hook is that of TCP and UDP sockets.
bool passes_network_hook(const formats::TraceCall& line) {
  return std::all_of(line.fields.begin(), line.fields.end(), [](const auto& said) {
    if (said.second.empty()) return true;
    if (said.first == "fd.typechar") return among(said.second, {"4", "6"});
    return said.first != "fd.l4proto" || among(said.second, {"tcp", "udp"});
  });
}

}  // namespace

Result<TracedCall> TracedCall::of(const formats::TraceCall& line) {
  const auto number = call_number(line.call);
  if (!number)
    return fail("{}", or_nearest(fmt::format("no system call is named '{}'", line.call), nearest_call(line.call)));
  TracedCall call;
  call.nr_ = static_cast<uint16_t>(skep_canonical_call(*number));
  if (auto found = call.find_stages(line); !found) return tl::unexpected<Error>(found.error());
  if (auto said = call.add_said(line); !said) return tl::unexpected<Error>(said.error());
  if (auto known = call.check_known(); !known) return tl::unexpected<Error>(known.error());
  const bool none = line.session.empty() || line.session == "0";
  call.derive("proc.works_for_session", {none ? uint64_t{0} : uint64_t{1}});
  return call;
}

Status TracedCall::find_stages(const formats::TraceCall& line) {
  for (uint8_t stage = SKEP_STAGE_PRE; stage <= SKEP_STAGE_POST; ++stage) {
    if (!passes(nr_, stage)) continue;
    if (!line.stage.empty() && kStageWords[stage] != line.stage) continue;
    if (stage == SKEP_STAGE_PRE && !line.intercepted) continue;
    if (stage == SKEP_STAGE_HOOK && !passes_network_hook(line)) continue;
    stages_.push_back(stage);
  }
  if (stages_.empty()) return fail("{} is judged nowhere then", line.call);
  return {};
}

Status TracedCall::add_said(const formats::TraceCall& line) {
  for (const auto& [name, texts] : line.fields) {
    if (texts.empty()) return fail("{}: no value", name);
    if (name == "evt.path") {
      derive_from_path(texts[0]);
      continue;
    }
    const Field* field = find_field(name);
    if (field == nullptr) return fail("{}", or_nearest(fmt::format("unknown field '{}'", name), nearest_field(name)));
    if (texts.size() > (field->type == ValueType::folder ? size_t{SKEP_FOLDERS_MAX} : 1))
      return fail("{}: too many values", name);
    Known known{field, {}};
    if (field->type == ValueType::network) {
      if (auto added = add_address(texts[0]); !added) return wrap(name, added);
    } else {
      for (const std::string& text : texts) {
        const auto value = value_of(*field, text, resolve_nothing());
        if (!value) return wrap(name, value);
        known.values.push_back(*value);
      }
    }
    said_.push_back(std::move(known));
  }
  for (const auto& [name, texts] : line.fields) {
    if (name == "fd.name") derive_from_file(texts[0], "fd.filename", "fd.extension", "fd.folder");
    if (name == "fd.filename") derive("fd.extension", {extension_of(texts[0])});
    if (name == "proc.exepath") derive_from_file(texts[0], "proc.name", "", "proc.folder");
    if (name == "caller.exepath") derive_from_file(texts[0], "caller.name", "", "");
  }
  return {};
}

Status TracedCall::add_address(const std::string& text) {
  const auto endpoint = parse_endpoint(text.find(':') == std::string::npos ? text : "[" + text + "]");
  if (!endpoint || endpoint->port != 0) return fail("'{}' is no address", text);
  static_assert(sizeof remote_ == sizeof endpoint->address);
  std::memcpy(remote_, endpoint->address.data(), sizeof remote_);
  return {};
}

// A field that no place of the call knows would be said in vain.
Status TracedCall::check_known() const {
  for (const Known& known : said_) {
    const bool somewhere =
        std::any_of(stages_.begin(), stages_.end(), [&](uint8_t stage) { return is_known(*known.field, nr_, stage); });
    if (!somewhere) return fail("{} is not known where {} is judged", known.field->name, call_name(nr_));
  }
  return {};
}

bool TracedCall::says(std::string_view field) const {
  return std::any_of(said_.begin(), said_.end(), [&](const Known& known) { return known.field->name == field; });
}

void TracedCall::derive(std::string_view field, std::vector<uint64_t> values) {
  if (!field.empty() && !says(field)) derived_.push_back({find_field(field), std::move(values)});
}

void TracedCall::derive_from_path(const std::string& path) {
  const std::string_view last = last_part(path);
  derive("evt.path.name", {hash_of(last)});
  derive("evt.path.extension", {extension_of(last)});
  derive("evt.path.traits", {traits_of(path)});
}

void TracedCall::derive_from_file(const std::string& path, std::string_view name, std::string_view extension,
                                  std::string_view folder) {
  derive(name, {hash_of(last_part(path))});
  derive(extension, {extension_of(last_part(path))});
  derive(folder, folders_of(path));
}

skep_call TracedCall::at(uint8_t stage) const {
  skep_call call{};
  call.nr = nr_;
  call.stage = stage;
  std::memcpy(call.remote, remote_, sizeof call.remote);
  for (const auto* knowns : {&derived_, &said_}) {
    for (const Known& known : *knowns) {
      if (!is_known(*known.field, nr_, stage)) continue;
      call.has |= uint64_t{1} << known.field->place;
      if (known.field->type == ValueType::folder) {
        call.folder_count = static_cast<uint32_t>(known.values.size());
        std::copy(known.values.begin(), known.values.end(), call.folders);
      } else if (!known.values.empty()) {
        call.fields[known.field->place] = known.values[0];
      }
    }
  }
  return call;
}

uint64_t CallerNames::number_of(const std::string& name, uint64_t otherwise) {
  if (name.empty()) return otherwise;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc{} && end == name.data() + name.size()) return number;
  constexpr uint64_t kFirst = uint64_t{1} << 32;  // no number that a process has
  return numbers_.emplace(name, kFirst + numbers_.size()).first->second;
}

Caller CallerNames::caller_of(const formats::TraceCall& line) {
  Caller caller;
  caller.process = number_of(line.process, 1);
  caller.thread = number_of(line.thread, caller.process);
  caller.tree = number_of(line.tree, 0);
  caller.session = number_of(line.session, 0);
  return caller;
}

}  // namespace skep::match
