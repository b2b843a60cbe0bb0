#include "server/core/maintenance/trim_planner.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "server/core/topic/topic_settings.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

LogBounds BoundsOf(const LogPosition& from, const LogPosition& to) {
  LogBounds bounds;
  bounds.start = from.offset;
  bounds.start_bytes = from.bytes_before;
  bounds.end = to.offset;
  bounds.end_bytes = to.bytes_before;
  return bounds;
}

// Returns the earliest time, at most `high`, for which `fits` holds; it holds for `high`.
// Microseconds, as in the store.
absl::StatusOr<absl::Time> FindCut(int64_t high,
                                   absl::FunctionRef<absl::StatusOr<bool>(absl::Time)> fits) {
  int64_t low = 0;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    ASSIGN_OR_RETURN(const bool middle_fits, fits(absl::FromUnixMicros(middle)));
    if (middle_fits) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return absl::FromUnixMicros(low);
}

}  // namespace

uint64_t TrimPlanner::BytesOf(const Ranges& ranges) {
  uint64_t bytes = 0;
  for (const Range& range : ranges) bytes += range.to.bytes_before - range.from.bytes_before;
  return bytes;
}

absl::StatusOr<TrimPlan> TrimPlanner::Plan(Topic& topic, absl::Time now) const {
  const std::shared_ptr<const TopicView> view = topic.view();
  const v1::Retention& retention = view->settings->retention();
  ASSIGN_OR_RETURN(const Ranges kept, WithinLimits(*view, now));
  Ranges beyond;
  for (const Range& range : kept) {
    const LogPosition start{range.log->start(), range.log->start_bytes()};
    if (range.from.offset > start.offset) beyond.push_back({range.log, start, range.from});
  }
  std::vector<Offset> unarchived_from;
  for (const Range& range : beyond) {
    unarchived_from.push_back(topic.archive_hold().Of(range.log->id()));
  }
  ASSIGN_OR_RETURN(const Ranges unarchived, Unarchived(topic, beyond, now));
  std::vector<NeededFrom> needed;
  Ranges held;
  if (!beyond.empty()) {
    ASSIGN_OR_RETURN(held, Needed(topic, retention, std::move(beyond), &needed));
  }
  for (size_t i = 0; i < held.size(); ++i) {
    if (unarchived[i].from.offset < held[i].from.offset) held[i].from = unarchived[i].from;
  }
  RETURN_IF_ERROR(NoteHeldBack(topic, retention, held, BytesOf(unarchived)));
  TrimPlan plan{view->settings, {}};
  for (size_t i = 0; i < held.size(); ++i) {
    const auto& [log, from, to] = held[i];
    if (from.offset > log->start()) {
      plan.cuts.push_back({log, from, needed[i].first, {}, unarchived_from[i]});
    }
  }
  return plan;
}

absl::StatusOr<TrimPlanner::Ranges> TrimPlanner::WithinLimits(const TopicView& view,
                                                              absl::Time now) const {
  Ranges ranges;
  for (PartitionLog* log : view.partitions) {
    const LogPosition start{log->start(), log->start_bytes()};
    const LogPosition end = log->end_position();
    if (start.offset < end.offset) ranges.push_back({log, start, end});
  }
  const absl::Duration max_age = MaxAgeOf(*view.settings);
  if (max_age != absl::InfiniteDuration() && now != absl::InfinitePast()) {
    ASSIGN_OR_RETURN(ranges, Since(std::move(ranges), now - max_age));
    ASSIGN_OR_RETURN(ranges, SinceMarks(std::move(ranges), now - max_age));
  }
  const v1::Retention& retention = view.settings->retention();
  if (retention.max_bytes() == 0 || retention.refuse_when_full()) return ranges;
  return Newest(std::move(ranges), retention.max_bytes());
}

absl::StatusOr<TrimPlanner::Ranges> TrimPlanner::Since(Ranges ranges, absl::Time time) const {
  for (auto& [log, from, to] : ranges) {
    ASSIGN_OR_RETURN(from, store_.SeekTime(log->topic(), log->id(), BoundsOf(from, to), time));
  }
  return ranges;
}

absl::StatusOr<TrimPlanner::Ranges> TrimPlanner::SinceMarks(Ranges ranges, absl::Time time) const {
  for (auto& [log, from, to] : ranges) {
    const std::optional<Offset> until = marks_.AppendedUntil(*log, time);
    if (!until.has_value() || *until <= from.offset) continue;
    if (*until >= to.offset) {
      from = to;
      continue;
    }
    ASSIGN_OR_RETURN(const BatchInfo batch, store_.FindBatch(log->topic(), log->id(), *until));
    from = {batch.base, batch.header.bytes_before};
  }
  return ranges;
}

absl::StatusOr<TrimPlanner::Ranges> TrimPlanner::Newest(Ranges ranges, uint64_t limit) const {
  if (BytesOf(ranges) <= limit) return ranges;
  int64_t high = 0;  // After the last append no events are left.
  for (const Range& range : ranges) {
    high = std::max(high, absl::ToUnixMicros(range.log->last_append_time()) + 1);
  }
  ASSIGN_OR_RETURN(const absl::Time cut,
                   FindCut(high, [&](absl::Time time) -> absl::StatusOr<bool> {
                     ASSIGN_OR_RETURN(const Ranges since, Since(ranges, time));
                     return BytesOf(since) <= limit;
                   }));
  ASSIGN_OR_RETURN(Ranges kept, Since(ranges, cut));
  // Many events may have been appended in the same microsecond, or while the clock, which had been
  // set back, stood still: they are not all trimmed at once.
  ASSIGN_OR_RETURN(const Ranges tied, Since(std::move(ranges), cut - absl::Microseconds(1)));
  const uint64_t kept_bytes = BytesOf(kept);
  const absl::uint128 room = limit - kept_bytes;
  const absl::uint128 all = BytesOf(tied) - kept_bytes;
  for (size_t i = 0; i < kept.size(); ++i) {
    auto& [log, from, to] = kept[i];
    const uint64_t own = from.bytes_before - tied[i].from.bytes_before;
    if (own == 0) continue;
    const uint64_t left = from.bytes_before - absl::Uint128Low64(room * own / all);
    ASSIGN_OR_RETURN(from,
                     store_.SeekBytes(log->topic(), log->id(), BoundsOf(tied[i].from, from), left));
  }
  return kept;
}

absl::StatusOr<TrimPlanner::Ranges> TrimPlanner::Needed(const Topic& topic,
                                                        const v1::Retention& retention,
                                                        Ranges beyond,
                                                        std::vector<NeededFrom>* needed) const {
  for (const Range& range : beyond) needed->push_back({range.log->id()});
  if (retention.keep_until_acked()) {
    for (const auto& subscription : subscriptions_.catalog().Of(topic)) {
      subscription->LowerTo(*needed);
    }
  }
  ASSIGN_OR_RETURN(const SubscriptionCatalog::Subscriptions holders,
                   subscriptions_.dead_letters().Holders(topic));
  for (size_t i = 0; i < beyond.size(); ++i) {
    auto& [log, from, to] = beyond[i];
    ASSIGN_OR_RETURN(const std::optional<Offset> letter,
                     subscriptions_.dead_letters().FirstOf(holders, topic, log->id()));
    const Offset first = std::min((*needed)[i].first, letter.value_or(Offset::Max()));
    if (first >= to.offset) {
      from = to;
    } else if (first > from.offset) {
      ASSIGN_OR_RETURN(const BatchInfo batch, store_.FindBatch(log->topic(), log->id(), first));
      from = {batch.base, batch.header.bytes_before};
    }
  }
  const uint64_t limit = retention.keep_until_acked_max_bytes();
  return limit == 0 ? std::move(beyond) : Newest(std::move(beyond), limit);
}

absl::StatusOr<TrimPlanner::Ranges> TrimPlanner::Unarchived(Topic& topic, Ranges beyond,
                                                            absl::Time now) const {
  for (auto& [log, from, to] : beyond) {
    const Offset first = topic.archive_hold().Of(log->id());
    if (first >= to.offset) {
      from = to;
    } else if (first > from.offset) {
      ASSIGN_OR_RETURN(const BatchInfo batch, store_.FindBatch(log->topic(), log->id(), first));
      from = {batch.base, batch.header.bytes_before};
    }
  }
  const bool ages = archive_lag_.age != absl::InfiniteDuration() && now != absl::InfinitePast();
  if (archive_lag_.drop) {
    ASSIGN_OR_RETURN(beyond, Newest(std::move(beyond), archive_lag_.bytes));
    return ages ? Since(std::move(beyond), now - archive_lag_.age) : std::move(beyond);
  }
  const uint64_t bytes = BytesOf(beyond);
  bool too_much = bytes >= archive_lag_.bytes;
  if (ages && bytes > 0 && !too_much) {
    ASSIGN_OR_RETURN(const Ranges young, Since(beyond, now - archive_lag_.age));
    too_much = BytesOf(young) < bytes;
  }
  // Until the next plan, the topic may grow by what is missing to the limit.
  topic.SetArchiveFullAt(bytes == 0 ? UINT64_MAX
                         : too_much ? 0
                                    : topic.held_bytes() + archive_lag_.bytes - bytes);
  return beyond;
}

absl::Status TrimPlanner::NoteHeldBack(Topic& topic, const v1::Retention& retention,
                                       const Ranges& held, uint64_t unarchived) const {
  Topic::HeldBack held_back;
  held_back.bytes = BytesOf(held);
  held_back.archive_bytes = unarchived;
  if (held_back.bytes > 0) {
    std::vector<NeededFrom> limits;
    for (const Range& range : held) limits.push_back({range.log->id(), range.to.offset});
    ASSIGN_OR_RETURN(const std::string holders, subscriptions_.dead_letters().DescribeHolders(
                                                    topic, retention.keep_until_acked(), limits));
    // What only the lake needs is reported with the archive.
    if (!holders.empty()) {
      held_back.why =
          absl::StrCat("retention keeps ", held_back.bytes, " bytes beyond its limits, ", holders);
    }
  }
  topic.SetHeldBack(std::move(held_back));
  return absl::OkStatus();
}

}  // namespace eventhub
