// What makes retries idempotent: the recent requests of each producer of a topic, and where their
// events went.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/hub.pb.h"
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
// Used on the commit thread only.
class ProducerTable {
 public:
  // How many requests of a producer are remembered.
  static constexpr uint64_t kWindow = 64;

  ProducerTable(const LogStore& store, TopicId topic) : store_(store), topic_(topic) {}

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

 private:
  struct Request {
    uint64_t sequence;
    std::string result;  // A serialized PublishResult: a tenth of the size of the message.
  };
  struct Producer {
    uint64_t epoch = 0;
    uint64_t next_sequence = 0;
    absl::Time last_active;
    std::deque<Request> requests;  // The newest kWindow, by sequence; none: forgotten.
  };

  // Null if the producer is not known.
  absl::StatusOr<Producer*> Find(const std::string& id, absl::Time now);
  absl::StatusOr<Producer> Load(const std::string& id) const;
  void MakeRoom(absl::Time now);

  const LogStore& store_;
  const TopicId topic_;
  absl::flat_hash_map<std::string, Producer> producers_;
};

}  // namespace eventhub
