// An in-memory broker with synchronous calls.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/base/errors.h"
#include "server/core/broker.h"
#include "tests/support/events.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_env.h"
#include "tests/support/status_matchers.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace eventhub {

// A status with the code `code` and a detail with the reason `reason`.
MATCHER_P2(Refused, code, reason, "") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status.ToString();
  const std::optional<v1::ErrorDetail> detail = DetailOf(status);
  return status.code() == code && detail.has_value() && detail->reason() == reason;
}

// Everything that a reader delivered.
struct Delivered {
  struct Event {
    int64_t offset;
    std::string id;
    bool operator==(const Event&) const = default;
  };
  std::map<uint32_t, std::vector<Event>> events;  // By partition.
  std::map<uint32_t, int64_t> start;
  std::map<uint32_t, int64_t> passed;  // The last reported position.
  // The run of the event before the reader's position; the last one reported.
  std::map<uint32_t, uint64_t> runs;
  int frames = 0;
  int caught_up = 0;
  size_t largest_frame = 0;
  bool at_end = false;  // The stop is reached; otherwise there is nothing more for now.

  std::vector<std::string> Ids(uint32_t partition = 0) const;
};
std::ostream& operator<<(std::ostream& os, const Delivered::Event& event);

class BrokerRig {
 public:
  BrokerRig();
  ~BrokerRig() { Close(); }

  FakeClock clock;
  FaultEnv disk;
  // Used by Open. No maintenance unless a test sets it.
  size_t tail_cache_bytes = size_t{1} << 20;
  size_t max_partitions = 1'000'000;
  size_t filter_bytes = size_t{1} << 20;
  size_t copy_bytes = size_t{256} << 20;
  size_t pending_bytes = size_t{256} << 20;
  size_t request_bytes = size_t{128} << 20;
  size_t reader_bytes = size_t{128} << 20;
  std::optional<MaintenanceOptions> maintenance;
  rocksdb::Env* env = nullptr;            // Null: that of `disk`.
  MasterKeys master_keys;                 // None unless a test sets it.
  std::string erasure_topic;              // No topic unless a test sets it.
  std::optional<ArchiveOptions> archive;  // No lake unless a test sets it.
  std::function<void(const Caller&, absl::string_view)> on_admin_change = [](const auto&, auto) {};
  // Uses the machine's clock instead of `clock`; leases and delays then end automatically.
  bool real_time = false;

  absl::Status Open();
  void Close() { broker_.reset(); }
  void Reopen();

  Broker& broker() { return *broker_; }
  // The last writability that the broker reported.
  absl::Status said_writable();

  // The reported failures of background work.
  std::vector<absl::Status> background_errors();

  // Encodes the request, and publishes it like received bytes.
  absl::StatusOr<v1::PublishResult> Publish(const v1::PublishStreamRequest& request);
  absl::StatusOr<v1::PublishResult> PublishBytes(const std::string& bytes);
  // Publishes to one partition; returns the offset of the first event.
  absl::StatusOr<int64_t> Publish(const std::string& topic, const std::vector<std::string>& ids,
                                  uint32_t partition = 0);

  absl::StatusOr<v1::Topic> Create(const v1::Topic& topic);
  absl::StatusOr<v1::Topic> Create(const std::string& name, uint32_t partitions = 1);
  absl::StatusOr<v1::Topic> Update(const v1::Topic& topic, const std::vector<std::string>& mask);
  absl::Status Delete(const std::string& name);
  absl::Status Delete(const v1::DeleteTopicRequest& request);

  // Takes all available events from the reader, in at most `max_frames`.
  static absl::StatusOr<Delivered> Drain(TopicReader& reader, int max_frames = 1 << 30);
  // Opens a reader and drains it.
  absl::StatusOr<Delivered> Read(const v1::ReadRequest& request);
  absl::StatusOr<Delivered> Read(const std::string& topic);

  // The state of a partition.
  v1::PartitionInfo Describe(const std::string& topic, uint32_t partition = 0);

 private:
  std::unique_ptr<Broker> broker_;
  Mutex mutex_;
  absl::Status said_writable_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> background_errors_ ABSL_GUARDED_BY(mutex_);
};

// Has an open rig.
class BrokerTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  BrokerRig rig_;
};

inline v1::ReadRequest ReadOf(const std::string& topic) {
  v1::ReadRequest request;
  request.set_topic(topic);
  return request;
}

}  // namespace eventhub
