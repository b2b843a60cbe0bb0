#include "server/core/subscription/dispatch/event_source.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/read/topic_history.h"
#include "server/core/subscription/dead_letter/dead_letter.h"
#include "server/core/subscription/dead_letter/place_reader.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// The ranges that one fetch reads from the history.
constexpr int kMaxHistoryReads = 64;

// Adds batches like those that compaction has emptied, unless the range is empty.
void AddGap(Offset from, Offset to, std::vector<RecordBatchPtr>* batches) {
  constexpr int64_t kMaxCount = std::numeric_limits<uint32_t>::max();
  while (from < to) {
    auto gap = std::make_shared<RecordBatch>();
    gap->base = from;
    gap->header.count = static_cast<uint32_t>(std::min(to - from, kMaxCount));
    gap->header.removed = gap->header.count;
    from = gap->end();
    batches->push_back(std::move(gap));
  }
}

}  // namespace

Offset FetchedEvents::EndFrom(Offset from, Offset end) const {
  end = std::min(end, limit);
  if (choices.has_value()) end = std::min(end, choices->EndFrom(from));
  auto batch = std::partition_point(batches.begin(), batches.end(),
                                    [from](const RecordBatchPtr& b) { return b->end() <= from; });
  Offset to = from;
  for (; to < end && batch != batches.end() && (*batch)->base <= to; ++batch) to = (*batch)->end();
  return std::max(from, std::min(to, end));
}

FetchedEvents EventSource::Fetch(EventFetch& fetch, FetchTurn* turn) const {
  FetchedEvents fetched;
  fetched.batches = std::move(fetch.batches);
  fetched.from_disk = fetched.batches.empty();
  if (fetched.from_disk) {
    const size_t before = turn->reads();
    fetched.status = Read(fetch, turn, &fetched);
    fetched.reads = turn->reads() - before;
  }
  if (fetched.status.ok()) Match(fetch, turn, &fetched);
  return fetched;
}

void EventSource::Match(const EventFetch& fetch, FetchTurn* turn, FetchedEvents* fetched) {
  const bool some_removed =
      std::any_of(fetched->batches.begin(), fetched->batches.end(),
                  [](const RecordBatchPtr& batch) { return batch->header.removed > 0; });
  if (!fetch.each_is_chosen && !some_removed) return;
  Ranges ranges{{fetch.candidate.start, fetch.candidate.end}};
  for (const Candidate& next : fetch.following) ranges.push_back({next.start, next.end});
  fetched->choices.emplace(fetched->batches, ranges, fetch.filter.get(), fetch.by_key,
                           turn->work_left());
  turn->NoteMatched(fetched->choices->work());
  if (some_removed) NoteRemoved(fetch, fetched);
}

FetchedEvents EventSource::FetchHistory(const EventFetch& fetch, History& history,
                                        FetchTurn* turn) const {
  FetchedEvents fetched;
  size_t left = fetch.max_bytes;
  OffsetRange range{fetch.candidate.start, fetch.candidate.end};
  fetched.status = ReadHistory(fetch, range, history, &left, &fetched);
  // What is scattered is read together; the next fetch reports a failure.
  int reads = 1;
  for (const Candidate& next : fetch.following) {
    if (fetched.batches.empty() || fetched.batches.back()->end() < range.end || left == 0) break;
    if (next.start >= fetched.limit || reads == kMaxHistoryReads) break;
    range = {std::max(next.start, fetched.batches.back()->end()), next.end};
    if (range.start >= range.end) continue;
    ++reads;
    if (!ReadHistory(fetch, range, history, &left, &fetched).ok()) break;
  }
  if (fetched.status.ok()) Match(fetch, turn, &fetched);
  return fetched;
}

absl::Status EventSource::ReadHistory(const EventFetch& fetch, const OffsetRange& range,
                                      History& history, size_t* left,
                                      FetchedEvents* fetched) const {
  const PartitionLog& log = *topic_.view()->partitions[fetch.partition];
  Offset at = range.start;
  const Offset end = HistoryEnd(log);
  HistoryRange wanted{.partition = log.id(), .from = at, .to = std::min(end, range.end)};
  if (fetch.filter != nullptr) {
    wanted.wants = [&fetch](absl::string_view type) { return fetch.filter->MayPass(type); };
  }
  ASSIGN_OR_RETURN(HistoryPart part,
                   eventhub::ReadHistory(history, topic_, log, std::move(wanted), *left));
  fetched->limit = end;
  fetched->reads += part.batches.size();
  for (RecordBatchPtr& batch : part.batches) {
    if (batch->end() <= at) continue;
    AddGap(at, batch->base, &fetched->batches);
    at = batch->end();
    *left -= std::min<size_t>(*left, batch->header.bytes);
    fetched->batches.push_back(std::move(batch));
  }
  AddGap(at, part.next, &fetched->batches);
  return absl::OkStatus();
}

void EventSource::NoteRemoved(const EventFetch& fetch, FetchedEvents* fetched) {
  const auto note = [fetched](const Candidate& candidate) {
    const Offset event = candidate.start;
    if (!candidate.redriven_from.has_value()) return;
    if (fetched->EndFrom(event, candidate.end) == event) return;  // Not read.
    if (!fetched->choices->Passed(event)) fetched->gone.push_back(event);
  };
  note(fetch.candidate);
  for (const Candidate& next : fetch.following) note(next);
}

absl::Status EventSource::Read(const EventFetch& fetch, FetchTurn* turn,
                               FetchedEvents* fetched) const {
  const Offset log_start = topic_.view()->partitions[fetch.partition]->start();
  Ranges ranges;
  std::vector<Candidate> copied;  // These lie before all others.
  const auto add = [&](const Candidate& candidate) {
    if (candidate.redriven_from.has_value() && candidate.start < log_start) {
      copied.push_back(candidate);
    } else {
      ranges.push_back({candidate.start, candidate.end});
    }
  };
  add(fetch.candidate);
  for (const Candidate& next : fetch.following) add(next);
  if (!copied.empty()) {
    RETURN_IF_ERROR(ReadLetters(std::move(copied), turn, fetched));
    // The next fetch reports a failure.
    if (!ranges.empty() && !turn->over()) ReadLog(fetch, ranges, turn, fetched).IgnoreError();
    return absl::OkStatus();
  }
  const absl::Status status = ReadLog(fetch, ranges, turn, fetched);
  if (!absl::IsNotFound(status) || !fetch.candidate.redriven_from.has_value()) return status;
  return ReadLetters({fetch.candidate}, turn, fetched);
}

absl::Status EventSource::ReadLog(const EventFetch& fetch, const Ranges& ranges, FetchTurn* turn,
                                  FetchedEvents* fetched) const {
  const PartitionLog& log = *topic_.view()->partitions[fetch.partition];
  const Offset first = ranges.front().start;
  if (first < log.start()) {
    return absl::NotFoundError(absl::StrCat("offset ", first.value(), " is trimmed"));
  }
  const auto wanted = [&fetch](const BatchHeader& batch) {
    return fetch.filter == nullptr || fetch.filter->MayPass(batch);
  };
  const auto more = [turn](const BatchHeader& batch, bool reads) {
    return turn->Take(batch, reads);
  };
  const absl::Status status =
      store_.ReadRanges(log.topic(), log.id(), ranges, more, &fetched->batches, wanted);
  if (!absl::IsNotFound(status) || first < log.trimmed_to()) return status;
  return absl::DataLossError(status.message());
}

absl::Status EventSource::ReadLetters(std::vector<Candidate> redriven, FetchTurn* turn,
                                      FetchedEvents* fetched) const {
  // The others in the order in which they are stored.
  std::sort(redriven.begin() + 1, redriven.end(), [](const Candidate& a, const Candidate& b) {
    const auto place = [](const Candidate& candidate) {
      const DeadLetterPlace& at = *candidate.redriven_from;
      return std::tuple(at.topic, at.partition, at.offset);
    };
    return place(a) < place(b);
  });
  PlaceReader letters(topics_, store_, [turn](const BatchHeader& batch, bool reads) {
    return turn->Take(batch, reads);
  });
  for (const Candidate& event : redriven) {
    const absl::StatusOr<LoggedEvent> letter = letters.Read(*event.redriven_from);
    if (absl::IsNotFound(letter.status())) {
      fetched->gone.push_back(event.start);
      continue;
    }
    absl::StatusOr<RecordBatchPtr> batch =
        letter.ok() ? BatchOfDeadLetter(*letter, event.start) : letter.status();
    if (batch.ok()) {
      fetched->batches.push_back(*std::move(batch));
    } else if (event.start == redriven.front().start) {
      return batch.status();
    } else if (turn->over()) {
      break;
    }
  }
  std::sort(fetched->batches.begin(), fetched->batches.end(),
            [](const RecordBatchPtr& a, const RecordBatchPtr& b) { return a->base < b->base; });
  return absl::OkStatus();
}

}  // namespace eventhub
