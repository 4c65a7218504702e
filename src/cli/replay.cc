// skep replay ID|FILE… --target HOST:PORT
#include <netdb.h>

#include <cstdio>
#include <cstring>

#include "base/file.h"
#include "base/text.h"
#include "cli/parse.h"
#include "cli/replay_series.h"
#include "cli/replay_text.h"
#include "cli/session_choice.h"
#include "model/socket_address.h"

namespace skep::cli {
namespace {

constexpr uint32_t kPatienceMax = 100;  // an attempt has 120 s

Result<Endpoint> target_named(const std::string& text) {
  if (const auto endpoint = parse_endpoint(text); endpoint && endpoint->port != 0) return *endpoint;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
    return fail("'{}' is no target: HOST:PORT", printable(text));
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(text.substr(0, colon).c_str(), text.substr(colon + 1).c_str(), &wanted, &found);
  if (error != 0) return fail("{}: {}", printable(text), ::gai_strerror(error));
  sockaddr_storage storage{};
  std::memcpy(&storage, found->ai_addr, found->ai_addrlen);
  const Endpoint endpoint = to_endpoint(storage);
  ::freeaddrinfo(found);
  return endpoint;
}

// A target a line; what follows a # is said to a reader.
Result<std::vector<Endpoint>> targets_of(const ReplayOptions& options) {
  std::vector<std::string> words;
  if (!options.target.empty()) words.push_back(options.target);
  if (!options.targets.empty()) {
    const auto text = read_file(options.targets);
    if (!text) return tl::unexpected<Error>(text.error());
    for (const std::string_view line : split(*text, '\n')) {
      const std::string_view word = trim(line.substr(0, line.find('#')));
      if (!word.empty()) words.emplace_back(word);
    }
    if (words.empty()) return fail("{}: it names no target", options.targets);
  }
  std::vector<Endpoint> targets;
  for (const std::string& word : words) {
    const auto target = target_named(word);
    if (!target) return tl::unexpected<Error>(target.error());
    targets.push_back(*target);
  }
  return targets;
}

Result<archive::Filter> filter_of(const ReplayOptions& options) {
  archive::Filter filter;
  filter.service = options.service;
  if (auto chosen = choose(filter, options.session_class, options.since, options.until); !chosen)
    return tl::unexpected<Error>(chosen.error());
  return filter;
}

Result<std::vector<Subject>> subjects_of(ReplayGround& ground, const ReplayOptions& options) {
  if (options.what.empty() && options.session_class.empty() && options.since.empty())
    return fail("name what to replay: a session's ID, a FILE, or --class CLASS");
  std::vector<Subject> subjects;
  for (const std::string& word : options.what) {
    auto named = ground.named(word, options.service);
    if (!named) return tl::unexpected<Error>(named.error());
    subjects.insert(subjects.end(), std::make_move_iterator(named->begin()), std::make_move_iterator(named->end()));
  }
  if (options.what.empty()) {
    const auto filter = filter_of(options);
    if (!filter) return tl::unexpected<Error>(filter.error());
    return ground.matching(*filter);
  }
  return subjects;
}

// What of the words cannot be meant.
Status check(const ReplayOptions& options) {
  if (options.timing != "fast" && options.timing != "as-recorded")
    return fail("--timing: '{}' is none of fast, as-recorded", printable(options.timing));
  if (!options.plan.empty() && options.plan != "two-recordings" && options.plan != "echoes" &&
      options.plan != "as-recorded")
    return fail("--plan: '{}' is none of two-recordings, echoes, as-recorded", printable(options.plan));
  if (options.plan == "two-recordings" && options.with.empty()) return fail("--plan two-recordings wants --with OTHER");
  if (options.minimise && options.through_filter) return fail("--minimise or --through-filter, not both");
  if ((options.minimise || options.through_filter) && (!options.target.empty() || !options.targets.empty()))
    return fail("--minimise asks the bait, --through-filter the proxy: neither takes a target");
  return {};
}

int run(const ReplayOptions& options) {
  if (const auto fine = check(options); !fine) return replay_complains(fine.error().message);
  auto ground = ReplayGround::open(options.archive, options.allow);
  if (!ground) return replay_complains(ground.error().message);
  const auto targets = targets_of(options);
  if (!targets) return replay_complains(targets.error().message);
  auto subjects = subjects_of(*ground, options);
  if (!subjects) return replay_complains(subjects.error().message);
  if (subjects->empty()) {
    std::fprintf(stderr, "skep replay: no session is of this kind\n");
    return 0;
  }
  for (const Endpoint& target : *targets) {
    if (const auto allowed = ground->allows(target, *subjects); !allowed)
      return replay_complains(allowed.error().message);
  }
  if (options.minimise) return replay_minimised(*ground, options, *subjects);
  if (options.through_filter) return replay_through_filter(*ground, options, *subjects);
  return replay_series(*ground, options, *subjects, *targets);
}

}  // namespace

int run_replay(Words words) {
  ReplayOptions options;
  CLI::App app("a recorded session, sent again, with a verdict", "skep replay");
  app.add_option("WHAT", options.what, "sessions by ID, or files: pcap, pcapng, bistream, honeytrap JSON");
  options.archive.add_to(app);
  app.add_option("--target", options.target, "HOST:PORT; else the bait");
  app.add_option("--targets", options.targets, "file of them, one a line: a matrix of sessions and targets");
  app.add_option("--targets-allow", options.allow,
                 "file of targets that may be replayed to, with their owners (else `replay:` of --config)");
  app.add_option("--class", options.session_class, "instead of IDs: all sessions of this class");
  app.add_option("--since", options.since, "… that began since: time, or span back from now (2h)");
  app.add_option("--until", options.until, "… and no later");
  app.add_option("--service", options.service, "… of this service; of a file: the service whose bait is tried first");
  app.add_option("--times", options.times, "attempts at the target; else as many as make 99 %");
  app.add_option("--times-max", options.times_max, "… but no more than so many");
  app.add_option("--patience", options.patience_s, "seconds for which an answer is awaited, 10")
      ->check(CLI::Range(uint32_t{1}, kPatienceMax));
  app.add_option("--with", options.with, "another recording of the same dialogue: what differs is found by it");
  app.add_option("--plan", options.plan, "one rung alone: two-recordings, echoes or as-recorded; else all, from above");
  app.add_option("--timing", options.timing, "fast, or as-recorded");
  app.add_option("--marker", options.marker, "text that the target sends where the attack has its effect");
  app.add_option("--report", options.report,
                 "file to which each verdict is added; what is in it already is not done again");
  app.add_flag("--explain", options.explain, "the plan, field by field");
  app.add_flag("--dry-run", options.dry_run, "the plan alone: nothing is sent");
  app.add_flag("--minimise", options.minimise, "the smallest string that still raises the alert on the bait");
  app.add_flag("--through-filter", options.through_filter,
               "through the proxy, as an attacker: do today's rules stop it?");
  app.add_flag("--json", options.json, "one object a line");
  if (const auto code = parse(app, words)) return *code;
  return run(options);
}

}  // namespace skep::cli
