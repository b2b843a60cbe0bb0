// The batches of a publisher that still take events, and when each is sealed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "client/src/publish/batch.h"
#include "client/src/publish/request_queue.h"
#include "eventhub/publisher.h"
#include "storage/base/clock.h"

namespace eventhub::client {

// Guarded by the publisher's mutex. One batch is open for each partition that events name, and one
// for the events that name none. Sealed batches go to the RequestQueue, in the order in which their
// events were taken. Times are monotonic.
class OpenBatches {
 public:
  // All must outlive this object.
  OpenBatches(const PublisherOptions& options, const Clock& clock, RequestQueue& queue)
      : options_(options), clock_(clock), queue_(queue) {}

  // A batch that an event began.
  struct Begun {
    uint64_t id;            // Ids ascend.
    absl::Duration sealed;  // When it is sealed at the latest; never after its deadline.
  };

  // Appends an event of `size` encoded bytes to its batch, and seals the batch if that fills it, or
  // if nothing is left to wait for. Returns the batch if the event began it.
  std::optional<Begun> Append(std::optional<uint32_t> partition, const v1::Event& event,
                              size_t size, Publisher::Callback&& done);

  // Seals all batches.
  void SealAll();

  // Seals the batches that are due by `now`.
  void SealDue(absl::Duration now);

  // To be called when requests may have left the queue. Without linger, and with an empty queue,
  // seals what has gathered, or lets it gather for a moment longer.
  void SealIfIdle();

  // When SealDue has something to do next; infinite: never.
  absl::Duration next_due() const;

  // Of all open batches.
  size_t bytes() const { return bytes_; }

  // The id of the next batch to begin; ids ascend.
  uint64_t next_id() const { return next_id_; }

 private:
  using Batches = std::list<std::unique_ptr<Batch>>;

  // The open batch for the partition that has room for `bytes`, if there is one; a batch without
  // room is sealed.
  std::optional<Batches::iterator> Find(std::optional<uint32_t> partition, size_t bytes);
  Batches::iterator Begin(std::optional<uint32_t> partition);
  void Seal(Batches::iterator batch);
  // When the batch is sealed at the latest.
  absl::Duration SealTime(const Batch& batch) const;

  const PublisherOptions& options_;
  const Clock& clock_;
  RequestQueue& queue_;
  Batches batches_;                         // In the order in which they were begun.
  std::optional<Batches::iterator> mixed_;  // For events that name no partition.
  absl::flat_hash_map<uint32_t, Batches::iterator> by_partition_;
  size_t bytes_ = 0;
  size_t events_ = 0;
  size_t last_batch_bytes_ = 0;
  uint64_t next_id_ = 1;
  // Set while events gather for a moment longer; see SealIfIdle.
  std::optional<absl::Duration> gather_until_;
};

}  // namespace eventhub::client
