#include "server/core/subscription/dispatch/event_source.h"

#include <utility>

#include "server/core/subscription/dead_letter/dead_letter.h"
#include "storage/base/status_macros.h"

namespace eventhub {

FetchedEvents EventSource::Fetch(EventFetch& fetch, size_t max_bytes, size_t max_work) const {
  FetchedEvents fetched;
  fetched.batches = std::move(fetch.batches);
  fetched.from_disk = fetched.batches.empty();
  if (fetched.from_disk) fetched.status = Read(fetch, max_bytes, &fetched.batches);
  if (fetched.status.ok() && fetch.each_is_chosen) {
    fetched.choices.emplace(fetched.batches, fetch.candidate.start, fetch.candidate.end,
                            fetch.filter.get(), fetch.by_key, max_work);
  }
  return fetched;
}

absl::Status EventSource::Read(const EventFetch& fetch, size_t max_bytes,
                               std::vector<RecordBatchPtr>* batches) const {
  const Candidate& candidate = fetch.candidate;
  PartitionLog& log = *topic_.view()->partitions[fetch.partition];
  const auto wanted = [&fetch](const BatchHeader& batch) {
    return fetch.filter == nullptr || fetch.filter->MayPass(batch);
  };
  const absl::Status status =
      ReadBatches(store_, log, candidate.start, candidate.end, max_bytes, batches, wanted);
  if (!absl::IsNotFound(status) || !candidate.redriven_from.has_value()) return status;
  ASSIGN_OR_RETURN(const LoggedEvent letter, ReadPlace(topics_, store_, *candidate.redriven_from));
  ASSIGN_OR_RETURN(RecordBatchPtr batch, BatchOfDeadLetter(letter, candidate.start));
  batches->push_back(std::move(batch));
  return absl::OkStatus();
}

}  // namespace eventhub
