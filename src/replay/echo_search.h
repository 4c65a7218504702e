// Finds what the client repeated of what the server had said: in one recording, in one pass over its messages.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "replay/draft.h"
#include "replay/grams.h"
#include "replay/tokens.h"
#include "replay/views.h"

namespace skep::replay {

// Where a request of HTTP holds values of a form: they are percent-encoded, also those that this time needed no escape.
struct FormParts {
  size_t query = SIZE_MAX, query_end = 0;  // of its first line
  size_t body = SIZE_MAX;
  bool holds(ByteView bytes, size_t at) const;
};
FormParts form_in(std::string_view text);

class EchoSearch {
 public:
  explicit EchoSearch(Draft& draft);
  void run();

 private:
  // Equal bytes of a client's view and of a server's.
  struct Match {
    uint32_t client = 0, server = 0, bytes = 0;
  };

  using Matches = std::array<Match, kLookedAt>;

  void hear(uint32_t message);
  void note_segments();
  void look(uint32_t message);
  void look(const Segment& segment);
  size_t matches_at(const Segment& segment, uint32_t position, uint32_t floor, Matches& out) const;
  Match extended(const Segment& segment, Match match, uint32_t floor) const;
  const Segment& server_segment(uint32_t position) const;

  bool take(const Segment& segment, Match match);
  Match trimmed(const Segment& segment, const Segment& said, Match match) const;
  Match trimmed_binary(Match match) const;
  bool take_binary(const Segment& segment, const Segment& said, const Match& match);
  bool take_words(const Segment& segment, const Segment& said, const Match& match);
  bool take_piece(const Segment& segment, const Segment& said, const Match& piece, double bits = kGuessableBits);
  bool claim(const Segment& segment, const Segment& said, const Match& piece);
  bool client_said_it(const Match& match) const;

  Draft& draft_;
  Views server_;
  FormParts form_;
  Views client_;                         // of one message
  Bytes is_old_;                         // by position in server_: the client had said this gram before
  std::vector<uint32_t> first_segment_;  // of a block of server_
  GramIndex index_;                      // of server_, without what is old
  GramSet said_by_client_;
};

}  // namespace skep::replay
