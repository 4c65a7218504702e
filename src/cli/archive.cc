// skep archive verify|compact|stats
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>

#include "archive/retention.h"
#include "archive/ring.h"
#include "archive/sealing.h"
#include "archive/stats.h"
#include "archive/verify.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/archive_option.h"
#include "cli/parse.h"

namespace skep::cli {
namespace {

struct Options {
  ArchiveOption archive;
  bool json = false;
  formats::RetentionOptions retention;
};

int complain(const std::string& words, int code = 2) {
  std::fprintf(stderr, "skep archive: %s\n", words.c_str());
  return code;
}

void say(const archive::Finding& finding, bool json) {
  if (!json) {
    std::printf("%s: %s%s\n", printable(finding.where).c_str(), finding.foreign ? "(no problem) " : "",
                printable(finding.what).c_str());
    return;
  }
  JsonWriter line;
  line.begin_object().field("kind", finding.foreign ? "foreign" : "problem");
  line.field("where", finding.where).field("what", finding.what).end_object();
  std::printf("%s\n", line.text().c_str());
}

void say(const archive::VerifyReport& report, bool json) {
  if (!json) {
    std::printf(
        "%s: %lu problems; %lu segments (%lu compressed), %lu records "
        "of %lu bytes, %lu sessions, %lu rows, %lu copied files%s\n",
        report.problems == 0 ? "whole" : "NOT whole", report.problems, report.segments, report.sealed, report.records,
        report.bytes, report.sessions, report.rows, report.copies,
        report.live ? "; written to, or not taken in yet: the newest "
                      "end and the index's age are not judged"
                    : "");
    return;
  }
  JsonWriter line;
  line.begin_object().field("kind", "summary").field("whole", report.problems == 0).field("problems", report.problems);
  line.field("segments", report.segments).field("compressed", report.sealed).field("records", report.records);
  line.field("bytes", report.bytes).field("sessions", report.sessions).field("rows", report.rows);
  line.field("copies", report.copies).field("foreign", report.foreign).field("live", report.live);
  line.field("dropped_up_to", report.dropped_up_to).end_object();
  std::printf("%s\n", line.text().c_str());
}

int verify(const Options& options, const std::string& folder) {
  const auto report = archive::verify_archive(folder, [&](const auto& finding) { say(finding, options.json); });
  if (!report) return complain(report.error().message);
  say(*report, options.json);
  return report->problems == 0 ? 0 : 1;
}

std::string time_or_none(int64_t ns) {
  return ns == 0 ? "none" : format_time(ns);
}

void say(const archive::ArchiveStats& stats) {
  const auto mib = [](uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::printf("sessions   %lu known, %lu harmless, %lu suspect, %lu attack; %lu open\n", stats.sessions[0],
              stats.sessions[1], stats.sessions[2], stats.sessions[3], stats.sessions_open);
  std::printf("from       %s\nto         %s\n", time_or_none(stats.oldest_ns).c_str(),
              time_or_none(stats.newest_ns).c_str());
  std::printf("segments   %lu (%lu compressed), %.1f MiB\n", stats.segments, stats.sealed, mib(stats.segment_bytes));
  std::printf("index      %lu days (%lu sealed), %.1f MiB\n", stats.days, stats.days_sealed, mib(stats.index_bytes));
  std::printf("copies     %lu, %.1f MiB\n", stats.copies, mib(stats.copies_bytes));
  if (stats.dropped_up_to > 0) std::printf("retention  has been at the segments up to %u\n", stats.dropped_up_to);
  std::printf("disk       %.1f of %.1f MiB free\n", mib(stats.disk_free), mib(stats.disk_total));
}

std::string stats_json(const archive::ArchiveStats& stats) {
  JsonWriter json;
  json.begin_object().key("sessions").begin_object();
  for (int each = 0; each < 4; ++each) json.field(to_string(static_cast<SessionClass>(each)), stats.sessions[each]);
  json.end_object().field("sessions_open", stats.sessions_open);
  json.key("oldest");
  stats.oldest_ns == 0 ? json.null() : json.value(format_time(stats.oldest_ns));
  json.key("newest");
  stats.newest_ns == 0 ? json.null() : json.value(format_time(stats.newest_ns));
  json.field("segments", stats.segments).field("segments_compressed", stats.sealed);
  json.field("segment_bytes", stats.segment_bytes).field("days", stats.days).field("days_sealed", stats.days_sealed);
  json.field("index_bytes", stats.index_bytes).field("copies", stats.copies).field("copies_bytes", stats.copies_bytes);
  json.field("dropped_up_to", stats.dropped_up_to).field("disk_free", stats.disk_free);
  return json.field("disk_total", stats.disk_total).end_object().take();
}

int show_stats(const Options& options, const std::string& folder) {
  const auto stats = archive::archive_stats(folder);
  if (!stats) return complain(stats.error().message);
  if (options.json) {
    std::printf("%s\n", stats_json(*stats).c_str());
  } else {
    say(*stats);
  }
  return 0;
}

struct Compacted {
  uint64_t compressed = 0;
  uint64_t damaged = 0;
  archive::PassOutcome retention;
};

Result<Compacted> compact_all(const std::string& folder, const formats::RetentionOptions& retention) {
  const auto numbers = archive::list_segments(folder);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  Compacted done;
  if (auto removed = archive::remove_half_sealed(folder); !removed) return tl::unexpected<Error>(removed.error());
  if (retention.days > 0 || retention.bytes > 0) {
    archive::Pass pass;
    pass.now_ns = now_realtime_ns();
    pass.finished = numbers->empty() ? 0 : numbers->back();
    const auto outcome = archive::Retention(folder, retention).run(pass);
    if (!outcome) return tl::unexpected<Error>(outcome.error());
    done.retention = *outcome;
  }
  for (const uint32_t number : *numbers) {
    if (::access(archive::segment_path(folder, number).c_str(), F_OK) != 0) continue;
    const auto sealed = archive::seal_segment({folder, number, {}, formats::Kept::all, nullptr, {}});
    if (!sealed) return tl::unexpected<Error>(sealed.error());
    ++(*sealed == archive::Sealed::damaged ? done.damaged : done.compressed);
  }
  auto index = archive::Index::open(folder, true);
  if (!index) return tl::unexpected<Error>(index.error());
  for (const int64_t number : index->days()) {
    auto day = index->day(number);
    if (!day) return tl::unexpected<Error>(day.error());
    if (*day == nullptr || number >= archive::day_of_time(now_realtime_ns())) continue;
    if (auto sealed = (*day)->seal(); !sealed) return tl::unexpected<Error>(sealed.error());
  }
  return done;
}

int compact(const Options& options, const std::string& folder) {
  const Fd lock(::open((folder + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  if (!lock) return complain(fmt::format("there is no archive in {} that can be written", folder));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return complain(
        "skep-proxy writes there: it compresses and keeps "
        "retention itself (`retention:` in proxy.yaml)");
  if (archive::has_ring(folder))
    return complain(
        "skep-proxy was killed here, and its newest records are "
        "not taken in yet: start it once");
  const auto done = compact_all(folder, options.retention);
  if (!done) return complain(done.error().message);
  JsonWriter json;
  json.begin_object().field("compressed", done->compressed).field("damaged", done->damaged);
  json.field("removed", done->retention.segments_removed).field("shortened", done->retention.segments_shortened);
  json.field("sessions_forgotten", done->retention.sessions_forgotten).end_object();
  if (options.json) {
    std::printf("%s\n", json.text().c_str());
  } else {
    std::printf(
        "%lu segments compressed, %u removed, %u shortened; %lu "
        "sessions are gone\n",
        done->compressed, done->retention.segments_removed, done->retention.segments_shortened,
        done->retention.sessions_forgotten);
  }
  return done->damaged == 0 ? 0
                            : complain(fmt::format("{} segments are damaged and left as they "
                                                   "are: `skep archive verify` names them",
                                                   done->damaged),
                                       1);
}

// Of the file that --config names, where the words do not say otherwise.
Status retention_of_config(Options& options) {
  if (options.archive.config.empty() || options.retention.days > 0 || options.retention.bytes > 0) return {};
  const auto text = read_file(options.archive.config);
  if (!text) return tl::unexpected<Error>(text.error());
  const auto parsed = formats::parse_proxy_options(options.archive.config, *text);
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  options.retention = parsed->retention;
  return {};
}

}  // namespace

int run_archive(Words words) {
  Options options;
  CLI::App app("an archive as a whole", "skep archive");
  app.require_subcommand(1);
  const auto command = [&](const char* name, const char* help) {
    CLI::App* sub = app.add_subcommand(name, help);
    options.archive.add_to(*sub);
    sub->add_flag("--json", options.json, "one object a line");
    return sub;
  };
  CLI::App* verifying = command("verify", "is it whole? exit 0: yes; 1: what is not is named; 2: there is none");
  CLI::App* counting = command("stats", "what it holds, in numbers");
  CLI::App* compacting = command("compact",
                                 "compress what is finished, keep retention; while no "
                                 "skep-proxy writes there");
  compacting->add_option("--days", options.retention.days,
                         "harmless sessions older than this go (else `retention:` of --config)");
  compacting->add_option("--bytes", options.retention.bytes, "the oldest harmless sessions go until it is no larger");
  if (const auto code = parse(app, words)) return *code;
  const auto folder = options.archive.folder();
  if (!folder) return complain(folder.error().message);
  if (*verifying) return verify(options, *folder);
  if (*counting) return show_stats(options, *folder);
  if (!*compacting) return 2;
  if (auto known = retention_of_config(options); !known) return complain(known.error().message);
  return compact(options, *folder);
}

}  // namespace skep::cli
