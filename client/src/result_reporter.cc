#include "client/src/result_reporter.h"

#include <utility>

#include "client/src/locate.h"

namespace eventhub::client {
namespace {

constexpr absl::Duration kLookUpTimeout = absl::Seconds(10);

}  // namespace

void ResultReporter::Report(Finished finished, Done done) {
  Waiting report{std::move(finished), std::move(done)};
  std::optional<uint32_t> partitions;
  {
    MutexLock lock(mutex_);
    partitions = partitions_;
  }
  if (const auto places = Locate(report.finished, partitions)) {
    CallBack(std::move(report), *places);
    return;
  }
  bool first;
  {
    MutexLock lock(mutex_);
    first = waiting_.empty();
    waiting_.push_back(std::move(report));
  }
  if (first) LookUp();
}

void ResultReporter::Stop() { OnPartitionCount(absl::CancelledError("the publisher is closed")); }

std::optional<std::vector<PublishedEvent>> ResultReporter::Locate(
    const Finished& finished, std::optional<uint32_t> partitions) {
  std::vector<PublishedEvent> places;
  if (!finished.status.ok() || finished.results.empty()) return places;
  const std::vector<Placement>& placements = finished.reply.placements;
  if (placements.size() == 1) {
    for (const PendingResult& result : finished.results) {
      places.push_back({.partition = placements[0].partition,
                        .offset = placements[0].base_offset + static_cast<int64_t>(result.index)});
    }
    return places;
  }
  if (!partitions) return std::nullopt;
  const auto all = LocateEvents(finished.batch->body().view, placements,
                                finished.reply.keyless_partition, *partitions);
  if (!all) return std::nullopt;
  for (const PendingResult& result : finished.results) places.push_back((*all)[result.index]);
  return places;
}

std::vector<PublishedEvent> ResultReporter::LocateAtLast(
    const Finished& finished, const absl::StatusOr<uint32_t>& partitions) {
  if (partitions.ok() && !finished.reply.placements.empty()) {
    // The topic may have grown since the events were appended: try what it may have been then.
    const uint32_t at_least = finished.reply.placements.back().partition + 1;
    for (uint32_t n = *partitions; n >= at_least; --n) {
      if (auto places = Locate(finished, n)) return *std::move(places);
    }
  }
  return std::vector<PublishedEvent>(finished.results.size(), PublishedEvent{.offset = -1});
}

void ResultReporter::LookUp() {
  connection_->GetPartitionCount(topic_, kLookUpTimeout,
                                 [weak = weak_from_this()](absl::StatusOr<uint32_t> partitions) {
                                   if (const auto self = weak.lock())
                                     self->OnPartitionCount(partitions);
                                 });
}

void ResultReporter::OnPartitionCount(const absl::StatusOr<uint32_t>& partitions) {
  std::vector<Waiting> waiting;
  {
    MutexLock lock(mutex_);
    if (partitions.ok()) partitions_ = *partitions;
    waiting.swap(waiting_);
  }
  for (Waiting& report : waiting) {
    const std::vector<PublishedEvent> places = LocateAtLast(report.finished, partitions);
    CallBack(std::move(report), places);
  }
}

void ResultReporter::CallBack(Waiting report, const std::vector<PublishedEvent>& places) {
  Finished& finished = report.finished;
  if (on_batch_done_) {
    on_batch_done_({.status = finished.status,
                    .events = finished.events,
                    .placements = finished.reply.placements});
  }
  for (size_t i = 0; i < finished.results.size(); ++i) {
    if (finished.status.ok()) {
      PublishedEvent place = places[i];
      place.duplicate = finished.reply.duplicate;
      std::move(finished.results[i].done)(place);
    } else {
      std::move(finished.results[i].done)(finished.status);
    }
  }
  finished.results.clear();  // What the callbacks own goes before anyone is told that all is done.
  std::move(report.done)(finished);
}

}  // namespace eventhub::client
