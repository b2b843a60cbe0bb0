// Makes retries idempotent: remembers the recent requests of each producer of a topic, and the
// places of their events.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/base/memory_meter.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

// The identity of a request, as the contract defines it.
struct ProducerRequest {
  std::string id;  // Empty: the request is not idempotent.
  uint64_t epoch = 0;
  uint64_t sequence = 0;
};

// The producers of one topic. The state is stored in the same commit as the events that it belongs
// to, and loaded when a producer first appears; memory holds only recently active producers.
// Format: storage/FORMAT.md.
//
// Each call examines one producer, and at most kWindow stored requests, regardless of the number of
// producers. Commit thread only.
class ProducerTable {
 public:
  // The number of requests remembered per producer.
  static constexpr uint64_t kWindow = 64;

  // The meter, if any, counts the memory used and outlives the table.
  ProducerTable(const LogStore& store, TopicId topic, MemoryMeter* meter = nullptr)
      : store_(store), topic_(topic), meter_(meter) {}
  ~ProducerTable();

  // Returns whether to append the request. True: append it and call Record(). False: it was
  // appended before, and `*result` is the answer it had. An error: it must not be appended; see
  // hub.proto.
  absl::StatusOr<bool> Admit(const ProducerRequest& request, const CommitBuilder& commit,
                             v1::PublishResult* result);

  // Records where the events of an admitted request go, durably with the commit.
  void Record(const ProducerRequest& request, const v1::PublishResult& result,
              CommitBuilder& commit);

  // Removes the producer from memory and the store, unless it was active at or after `since`.
  absl::Status Expire(absl::string_view producer, absl::Time since, CommitBuilder& commit);

  // Returns when the stored record of a request was written.
  static absl::StatusOr<absl::Time> TimeOfRecord(absl::string_view value);

  // The number of entries examined so far, in memory and in the store: a measure of the work.
  uint64_t looked_at() const { return looked_at_; }

 private:
  struct Request {
    uint64_t sequence;
    std::string result;  // A serialized PublishResult, a tenth of the size of the message object.
  };
  struct Producer {
    explicit Producer(absl::string_view name) : id(name) {}

    std::string id;
    uint64_t epoch = 0;
    uint64_t next_sequence = 0;
    absl::Time last_active = absl::InfinitePast();
    // The newest kWindow, by sequence; empty: the producer is forgotten.
    std::deque<Request> requests;
    size_t bytes = 0;  // The counted memory.
    // The time of the last commit that changed it. Until that commit is done, the store lacks the
    // change.
    absl::Time changed = absl::InfinitePast();
  };
  using Order = std::list<Producer>;

  // The memory of one request.
  static size_t BytesOf(const Request& request);
  static size_t BytesOf(const Producer& producer);

  // Null if the producer is unknown.
  absl::StatusOr<Producer*> Find(absl::string_view id, absl::Time now);
  // Loads the producer from the store; it has no requests if it is not stored.
  absl::StatusOr<Producer> Load(absl::string_view id);
  // Inserts a producer as the most recently used.
  Producer& Insert(Producer producer, absl::Time now);
  // Updates the counted memory of a producer.
  void SetBytes(Producer& producer, size_t bytes);
  // Evicts the least recently used producers, as far as the store has their state.
  void MakeRoom(absl::Time now);
  void DropOldest();
  void Forget(Order::iterator producer);

  const LogStore& store_;
  const TopicId topic_;
  MemoryMeter* const meter_;
  size_t bytes_ = 0;  // Total in memory.
  Order order_;       // The most recently used last; forgotten producers first.
  absl::flat_hash_map<absl::string_view, Order::iterator> by_id_;  // Keys view the producers' ids.
  uint64_t looked_at_ = 0;
};

}  // namespace eventhub
