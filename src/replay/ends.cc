#include "replay/ends.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "replay/forms.h"
#include "replay/locate.h"
#include "replay/tokens.h"

namespace skep::replay {

namespace {

constexpr int64_t kClockReach_ns = int64_t{300} * 1'000'000'000;
constexpr size_t kPortsMax = 1024;  // connections whose port is looked for
constexpr size_t kLookedBack = 64;  // server's messages, for a port that one of them named

struct Port {
  uint16_t number;
  AddressOf of;
};
// An end of the recorded connection, and the ports that may stand beside its address.
struct End {
  Endpoint endpoint;
  AddressOf of;
  std::vector<Port> ports;
};

// The sink's ports come first: on one machine all addresses may be the same.
std::vector<End> ends_of(const Recording& recording) {
  std::vector<End> ends;
  for (const RecordedConnection& connection : recording.connections) {
    if (connection.by_service)
      ends.push_back({connection.server, AddressOf::own_address, {{connection.server.port, AddressOf::sink_port}}});
  }
  if (recording.connections.empty()) return ends;
  const RecordedConnection& first = recording.connections[0];
  ends.push_back({first.server, AddressOf::target_address, {{first.server.port, AddressOf::target_port}}});
  ends.push_back({first.client, AddressOf::own_address, {{first.client.port, AddressOf::own_port}}});
  return ends;
}

std::string with_commas(std::string address) {
  std::replace(address.begin(), address.end(), '.', ',');
  return address;
}

bool belongs_to_address(uint8_t c, bool v4) {
  return is_digit(c) || c == '.' || (!v4 && (is_word(c) || c == ':'));
}

Place place_at(uint32_t message, size_t offset, size_t bytes) {
  return {message, static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes)};
}

size_t digits_at(std::string_view text, size_t at) {
  size_t count = 0;
  while (at + count < text.size() && is_digit(static_cast<uint8_t>(text[at + count]))) ++count;
  return count;
}

// Where an address ends at `at`: the port beside it, and what it is.
struct Beside {
  size_t offset = 0, digits = 0;
  AddressOf of = AddressOf::target_port;
};
std::optional<Beside> port_beside(std::string_view text, size_t at, const End& end) {
  if (at < text.size() && text[at] == ']') ++at;
  if (at >= text.size() || std::string_view(":|/ ,").find(text[at]) == std::string_view::npos) return std::nullopt;
  const size_t digits = digits_at(text, at + 1);
  const auto number = digits > 0 && digits <= 5 ? read_value(Form::decimal, as_bytes(text.substr(at + 1, digits)))
                                                : std::optional<Value>();
  if (!number) return std::nullopt;
  for (const Port& port : end.ports) {
    if (port.number == std::get<uint64_t>(*number)) return Beside{at + 1, digits, port.of};
  }
  return std::nullopt;
}

// Every whole occurrence; `with_port_only`: those with one of the end's ports beside them.
void claim_text(Draft& draft, uint32_t message, const End& end, bool with_port_only) {
  const std::string_view text = as_text(draft.bytes(message));
  const std::string address = address_text(end.endpoint);
  const bool v4 = end.endpoint.is_v4();
  for (size_t at = text.find(address); at != std::string_view::npos; at = text.find(address, at + 1)) {
    const size_t behind = at + address.size();
    if (at > 0 && belongs_to_address(static_cast<uint8_t>(text[at - 1]), v4)) continue;
    if (behind < text.size() && is_word(static_cast<uint8_t>(text[behind]))) continue;
    if (text.substr(behind).starts_with('.') && digits_at(text, behind + 1) > 0) continue;
    const auto port = port_beside(text, behind, end);
    if (with_port_only && !port) continue;
    draft.claim(place_at(message, at, address.size()), Address{end.of, Form::identity}, "address " + address);
    if (port)
      draft.claim(place_at(message, port->offset, port->digits), Address{port->of, Form::decimal}, "port beside it");
  }
}

// FTP's PORT and EPRT name where the client listens.
void claim_commands(Draft& draft, uint32_t message, const Endpoint& own) {
  const std::string_view text = as_text(draft.bytes(message));
  const std::string commas = with_commas(address_text(own)) + ",";
  for (size_t at = text.find(commas); at != std::string_view::npos; at = text.find(commas, at + 1)) {
    const size_t port = at + commas.size();
    const size_t high = digits_at(text, port), low = digits_at(text, port + high + 1);
    if (high == 0 || low == 0 || text[port + high] != ',') continue;
    draft.claim(place_at(message, at, commas.size() - 1), Address{AddressOf::own_address, Form::octet_pair},
                "where the client listens");
    draft.claim(place_at(message, port, high + 1 + low), Address{AddressOf::sink_port, Form::octet_pair},
                "where the client listens");
  }
  const std::string bars = "|" + address_text(own) + "|";
  if (!text.starts_with("EPRT ") && !text.starts_with("eprt ")) return;
  const size_t at = text.find(bars);
  if (at == std::string_view::npos) return;
  draft.claim(place_at(message, at + 1, bars.size() - 2), Address{AddressOf::own_address, Form::identity},
              "where the client listens");
  draft.claim(place_at(message, at + bars.size(), digits_at(text, at + bars.size())),
              Address{AddressOf::sink_port, Form::decimal}, "where the client listens");
}

// A port in network order, and the address behind it: sockaddr_in.
void claim_binary(Draft& draft, uint32_t message, const End& end) {
  const ByteView bytes = draft.bytes(message);
  if (!end.endpoint.is_v4() || is_text(bytes)) return;
  for (const Port& port : end.ports) {
    std::string pattern = {static_cast<char>(port.number >> 8), static_cast<char>(port.number & 0xFF)};
    pattern += as_text(ByteView(end.endpoint.address).last(4));
    const size_t at = as_text(bytes).find(pattern);
    if (at == std::string_view::npos) continue;
    draft.claim(place_at(message, at, 2), Address{port.of, Form::be16}, "port of a sockaddr");
    draft.claim(place_at(message, at + 2, 4), Address{end.of, Form::be32}, "address of a sockaddr");
  }
}

struct Unit {
  size_t digits;
  int64_t ns;
};
constexpr Unit kUnits[] = {{10, 1'000'000'000}, {13, 1'000'000}, {16, 1000}, {19, 1}};

std::optional<Clock> clock_of(ByteView word, int64_t message_ns) {
  const auto near = [&](Form form, int64_t unit_ns) {
    const auto value = read_value(form, word);
    if (!value) return false;
    const auto number = static_cast<int64_t>(std::get<uint64_t>(*value));
    return std::abs(number - message_ns / unit_ns) <= kClockReach_ns / unit_ns;
  };
  for (const Unit& unit : kUnits) {
    if (word.size() == unit.digits && near(Form::decimal, unit.ns)) return Clock{unit.ns, Form::decimal};
  }
  if (word.size() == 8 && near(Form::hex_number, kUnits[0].ns)) return Clock{kUnits[0].ns, Form::hex_number};
  return std::nullopt;
}

// The port as the message says it, whole.
std::optional<Echo> port_in(ByteView bytes, uint16_t port) {
  const std::string_view text = as_text(bytes);
  const auto find = [&](Form form) -> std::optional<Echo> {
    const auto written = write_value(form, uint64_t{port}, {});
    const std::string_view wanted = as_text(*written);
    for (size_t at = text.rfind(wanted); at != std::string_view::npos;
         at = at > 0 ? text.rfind(wanted, at - 1) : text.npos) {
      const size_t end = at + wanted.size();
      const bool digits = is_digit(static_cast<uint8_t>(wanted[0]));
      if (digits && at > 0 && is_digit(static_cast<uint8_t>(text[at - 1]))) continue;
      if (digits && end < text.size() && is_digit(static_cast<uint8_t>(text[end]))) continue;
      Echo echo;
      echo.source = {0, static_cast<uint32_t>(at), static_cast<uint32_t>(wanted.size())};
      echo.read = form;
      take_context(bytes, echo);
      echo.fixed_size = form == Form::be16 || form == Form::le16;
      return echo;
    }
    return std::nullopt;
  };
  for (const Form form : {Form::octet_pair, Form::decimal}) {
    if (auto echo = find(form)) return echo;
  }
  if (is_text(bytes)) return std::nullopt;
  for (const Form form : {Form::be16, Form::le16}) {
    if (auto echo = find(form)) return echo;
  }
  return std::nullopt;
}

}  // namespace

void claim_addresses(Draft& draft) {
  const Recording& recording = draft.recording();
  if (recording.connections.empty()) return;
  const std::vector<End> ends = ends_of(recording);
  for (uint32_t message = 0; message < recording.messages.size(); ++message) {
    if (!draft.is_client(message)) continue;
    claim_commands(draft, message, recording.connections[0].client);
    for (const End& end : ends) claim_text(draft, message, end, true);
    for (const End& end : ends) claim_text(draft, message, end, false);
    for (const End& end : ends) claim_binary(draft, message, end);
  }
}

void claim_clock(Draft& draft) {
  for (uint32_t message = 0; message < draft.recording().messages.size(); ++message) {
    if (!draft.is_client(message)) continue;
    const ByteView bytes = draft.bytes(message);
    for (size_t at = 0; at < bytes.size(); ++at) {
      if (!is_word(bytes[at])) continue;
      size_t end = at;
      while (end < bytes.size() && is_word(bytes[end])) ++end;
      const auto clock = clock_of(bytes.subspan(at, end - at), draft.recording().messages[message].begun_ns);
      if (clock) draft.claim(place_at(message, at, end - at), *clock, "the time, within five minutes");
      at = end;
    }
  }
}

void name_ports(Draft& draft) {
  const Recording& recording = draft.recording();
  for (uint32_t connection = 1; connection < std::min(kPortsMax, recording.connections.size()); ++connection) {
    const RecordedConnection& opened = recording.connections[connection];
    if (opened.by_service) continue;
    size_t looked = 0;
    for (size_t message = recording.messages.size(); message-- > 0 && looked < kLookedBack;) {
      const Message& said = recording.messages[message];
      if (said.direction != Direction::to_client || said.begun_ns > opened.opened_ns || said.connection == connection)
        continue;
      ++looked;
      auto echo = port_in(said.bytes, opened.server.port);
      if (!echo) continue;
      echo->source.message = static_cast<uint32_t>(message);
      draft.name_port({connection, std::move(*echo)});
      break;
    }
  }
}

}  // namespace skep::replay
