// What makes retries idempotent: the recent requests of each producer of a topic, and where their
// events went.
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

// The identity of a request, as the contract has it.
struct ProducerRequest {
  std::string id;  // Empty: the request is not idempotent.
  uint64_t epoch = 0;
  uint64_t sequence = 0;
};

// The producers of one topic. The state is stored with the events it belongs to, in the same
// commit, and loaded when a producer is first heard of; memory holds recently active producers
// only. Format: storage/FORMAT.md.
//
// Each call looks at one producer: at no more than kWindow stored requests, however many producers
// there are. Used on the commit thread only.
class ProducerTable {
 public:
  // How many requests of a producer are remembered.
  static constexpr uint64_t kWindow = 64;

  // What is in memory is counted by the meter, which outlives the table, if there is one.
  ProducerTable(const LogStore& store, TopicId topic, MemoryMeter* meter = nullptr)
      : store_(store), topic_(topic), meter_(meter) {}
  ~ProducerTable();

  // Whether the request may be appended. True: yes, and Record() is to follow. False: it was, and
  // `*result` is what was answered. An error: it may not; see hub.proto.
  absl::StatusOr<bool> Admit(const ProducerRequest& request, const CommitBuilder& commit,
                             v1::PublishResult* result);

  // Remembers where the events of an admitted request go, durably with the commit.
  void Record(const ProducerRequest& request, const v1::PublishResult& result,
              CommitBuilder& commit);

  // Forgets the producer in memory and in the store unless it was active at `since` or later.
  absl::Status Expire(absl::string_view producer, absl::Time since, CommitBuilder& commit);

  // When the stored record of a request was written.
  static absl::StatusOr<absl::Time> TimeOfRecord(absl::string_view value);

  // How many entries, in memory and in the store, were looked at so far: what the work costs.
  uint64_t looked_at() const { return looked_at_; }

 private:
  struct Request {
    uint64_t sequence;
    std::string result;  // A serialized PublishResult: a tenth of the size of the message.
  };
  struct Producer {
    explicit Producer(absl::string_view name) : id(name) {}

    std::string id;
    uint64_t epoch = 0;
    uint64_t next_sequence = 0;
    absl::Time last_active = absl::InfinitePast();
    std::deque<Request> requests;  // The newest kWindow, by sequence; none: forgotten.
    size_t bytes = 0;              // Of memory, as counted.
    // The time of the commit that changed it last, before which the store does not have that.
    absl::Time changed = absl::InfinitePast();
  };
  using Order = std::list<Producer>;

  // What is held in memory for it.
  static size_t BytesOf(const Request& request);
  static size_t BytesOf(const Producer& producer);

  // Null if the producer is not known.
  absl::StatusOr<Producer*> Find(absl::string_view id, absl::Time now);
  // The producer as it is stored; without requests if it is not.
  absl::StatusOr<Producer> Load(absl::string_view id);
  // Makes a producer the one that was used last.
  Producer& Insert(Producer producer, absl::Time now);
  // Notes what a producer takes by now.
  void SetBytes(Producer& producer, size_t bytes);
  // Drops those from memory that were not used for longest, as far as the store has them.
  void MakeRoom(absl::Time now);
  void DropOldest();
  void Forget(Order::iterator producer);

  const LogStore& store_;
  const TopicId topic_;
  MemoryMeter* const meter_;
  size_t bytes_ = 0;  // Of all in memory.
  Order order_;       // Those used last come last; forgotten ones come first.
  absl::flat_hash_map<absl::string_view, Order::iterator> by_id_;  // Views of their ids.
  uint64_t looked_at_ = 0;
};

}  // namespace eventhub
