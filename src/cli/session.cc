// skep session list|show|export|follow|cut|import
#include <cstdio>

#include "base/text.h"
#include "cli/archive_option.h"
#include "cli/parse.h"
#include "cli/session_choice.h"
#include "cli/session_export.h"
#include "cli/session_follow.h"
#include "cli/session_import.h"
#include "cli/session_text.h"
#include "wire/local.h"

namespace skep::cli {
namespace {

constexpr int kAskTimeoutMs = 5000;

struct Options {
  ArchiveOption archive;
  bool json = false;
  bool newest_first = false;
  bool follow = false;
  std::string session_class, since, until, service, source, rule, text, id, output, raw, format = "pcapng";
  std::vector<std::string> files;
  size_t limit = 100'000;
};

int complain(const std::string& words, int code = 2) {
  std::fprintf(stderr, "skep session: %s\n", words.c_str());
  return code;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

Result<archive::Filter> filter_of(const Options& options) {
  archive::Filter filter;
  filter.limit = options.limit;
  filter.service = options.service;
  filter.source = options.source;
  filter.rule = options.rule;
  filter.text = options.text;
  filter.newest_first = options.newest_first;
  if (!filter.text.empty() && filter.text.size() < archive::kTextLeast)
    return fail("--text wants at least {} characters", archive::kTextLeast);
  if (auto chosen = choose(filter, options.session_class, options.since, options.until); !chosen)
    return tl::unexpected<Error>(chosen.error());
  return filter;
}

Result<archive::Reader> open_archive(const Options& options) {
  const auto folder = options.archive.folder();
  if (!folder) return tl::unexpected<Error>(folder.error());
  return archive::Reader::open(*folder);
}

int list(const Options& options) {
  const auto filter = filter_of(options);
  if (!filter) return complain(filter.error().message);
  auto reader = open_archive(options);
  if (!reader) return complain(reader.error().message);
  if (options.follow) {
    const auto followed = follow_list(*reader, *filter, options.json);
    return followed ? 0 : complain(followed.error().message);
  }
  const auto sessions = reader->list(*filter);
  if (!sessions) return complain(sessions.error().message);
  if (!options.json) print(table_head());
  for (const archive::SessionSummary& session : *sessions)
    print(options.json ? summary_json(session) + "\n" : table_line(session));
  return 0;
}

// The session that is named, and what to do with it.
int with_session(const Options& options, int (*act)(const Options&, archive::Reader&, const archive::SessionSummary&)) {
  const auto id = parse_session_id(options.id);
  if (!id) return complain(fmt::format("'{}' is no session id", printable(options.id)));
  auto reader = open_archive(options);
  if (!reader) return complain(reader.error().message);
  const auto session = reader->find(*id);
  if (!session) return complain(session.error().message);
  if (!*session) return complain(fmt::format("there is no session {}", options.id), 1);
  return act(options, *reader, **session);
}

int show(const Options& options, archive::Reader& reader, const archive::SessionSummary& session) {
  if (!options.json) {
    const auto text = story(reader, session);
    if (!text) return complain(text.error().message);
    print(*text);
    return 0;
  }
  const auto told = session_json(reader, session, [](ByteView bytes) {
    print(std::string(as_text(bytes)));
    return std::ferror(stdout) == 0;
  });
  if (!told) return complain(told.error().message);
  print("\n");
  return 0;
}

int give_out(const Options& options, archive::Reader& reader, const archive::SessionSummary& session) {
  Status done;
  if (options.format == "pcapng") {
    done = export_pcapng(reader, session, options.output.empty() ? options.id + ".pcapng" : options.output);
  } else if (options.format == "raw") {
    done = export_raw(reader, session, options.output.empty() ? "." : options.output);
  } else if (options.format == "bistream") {
    done = export_bistream(reader, session, options.output.empty() ? options.id + ".bistream" : options.output);
  } else if (options.format == "text") {
    done = export_text(reader, session, options.output.empty() ? "-" : options.output);
  } else {
    return complain(fmt::format("--format: '{}' is none of pcapng, raw, text, bistream", printable(options.format)));
  }
  if (!done) return complain(done.error().message);
  if (reader.beginning_dropped())
    std::fprintf(stderr, "skep: session %s begins later there: retention took its first records\n", options.id.c_str());
  return 0;
}

int follow(const Options& options, archive::Reader& reader, const archive::SessionSummary& session) {
  if (options.json && !options.raw.empty()) return complain("--json or --raw, not both");
  FollowForm form = options.json ? FollowForm::json : FollowForm::text;
  if (options.raw == "in") {
    form = FollowForm::raw_in;
  } else if (options.raw == "out") {
    form = FollowForm::raw_out;
  } else if (!options.raw.empty()) {
    return complain(fmt::format("--raw: '{}' is none of in, out", printable(options.raw)));
  }
  const auto followed = follow_session(reader, session, form);
  return followed ? 0 : complain(followed.error().message);
}

int import(const Options& options) {
  const auto folder = options.archive.folder();
  if (!folder) return complain(folder.error().message);
  return import_sessions({*folder, options.files, options.service, options.json});
}

int cut(const Options& options) {
  const auto folder = options.archive.folder();
  if (!folder) return complain(folder.error().message);
  wire::LocalRequest request;
  request.mutable_cut()->set_session(options.id);
  const auto reply = wire::ask(*folder + "/proxy.sock", request, kAskTimeoutMs);
  if (!reply) return complain(reply.error().message);
  return reply->ok() ? 0 : complain(reply->error(), 1);
}

}  // namespace

int run_session(Words words) {
  Options options;
  CLI::App app("recorded sessions", "skep session");
  app.require_subcommand(1);
  const auto command = [&](const char* name, const char* help, bool id) {
    CLI::App* sub = app.add_subcommand(name, help);
    options.archive.add_to(*sub);
    if (id) sub->add_option("ID", options.id, "the session")->required();
    return sub;
  };
  CLI::App* listing = command("list", "one line a session", false);
  listing->add_option("--class", options.session_class, "known, harmless, suspect or attack");
  listing->add_option("--since", options.since, "time, or span back from now (2h)");
  listing->add_option("--until", options.until, "time, or span back from now");
  listing->add_option("--service", options.service, "only this service's");
  listing->add_option("--source", options.source, "only this address's");
  listing->add_option("--rule", options.rule,
                      "only those with an alert of this signature, or a hit of this payload rule (1002, 1:1002)");
  listing->add_option("--text", options.text,
                      "only those with this in what the client sent first, in an alert or a rule");
  listing->add_flag("--newest", options.newest_first, "the newest first, instead of the oldest");
  listing->add_option("--limit", options.limit, "at most so many");
  listing->add_flag("--json", options.json, "one object a line");
  listing->add_flag("--follow", options.follow, "go on: new sessions, and those whose class changes");
  CLI::App* showing = command("show", "a session's story", true);
  showing->add_flag("--json", options.json, "all its events, one object");
  CLI::App* exporting = command("export", "a session as pcapng, raw bytes, text or bistream", true);
  exporting->add_option("-o,--output", options.output, "file (pcapng, text, bistream; - is stdout) or folder (raw)");
  exporting->add_option("--format", options.format, "pcapng, raw, text or bistream");
  CLI::App* following = command("follow", "a live session as it happens, to its end", true);
  following->add_flag("--json", options.json, "one object an event");
  following->add_option("--raw", options.raw, "the bytes of one direction alone: in (from the attacker) or out");
  CLI::App* cutting = command("cut", "end a live session now", true);
  CLI::App* importing = command("import", "recordings of others as sessions of an archive", false);
  importing->add_option("FILE", options.files, "captures (pcap, pcapng), Dionaea's bistreams, honeytrap's JSON")
      ->required();
  importing->add_option("--service", options.service,
                        "whose sessions they are to be; else as the file says, or `imported`");
  importing->add_flag("--json", options.json, "one object a session, and one a file");
  if (const auto code = parse(app, words)) return *code;
  if (*importing) return import(options);
  if (*listing) return list(options);
  if (*showing) return with_session(options, show);
  if (*exporting) return with_session(options, give_out);
  if (*following) return with_session(options, follow);
  return *cutting ? cut(options) : 2;
}

}  // namespace skep::cli
