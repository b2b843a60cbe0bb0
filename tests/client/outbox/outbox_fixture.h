// The fixture of the outbox tests: an outbox in a temporary directory, on a hub that fails on
// demand.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eventhub/outbox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/mutex.h"
#include "tests/client/outbox/flaky_hub.h"
#include "tests/support/events.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"

namespace eventhub::client {

class OutboxTest : public testing::Test {
 protected:
  OutboxOptions Options() {
    OutboxOptions options;
    options.directory = directory_ / "outbox";
    options.retry = {.initial_delay = absl::Milliseconds(1), .max_delay = absl::Milliseconds(5)};
    options.stopped_retry = options.retry;
    options.log = [this](std::string_view line) {
      MutexLock lock(mutex_);
      lines_.emplace_back(line);
    };
    return options;
  }

  void Open(OutboxOptions options) {
    outbox_.reset();
    ASSERT_OK_AND_ASSIGN(outbox_, Outbox::Open(hub_, std::move(options)));
  }
  void Open() { Open(Options()); }
  void Reopen() { Open(Options()); }

  absl::Status Publish(const std::string& id, const std::string& topic = "t") {
    return outbox_->Publish(topic, MakeEvent(id));
  }
  // Takes events "PREFIX0", "PREFIX1", … and returns their ids when all are accepted.
  std::vector<std::string> PublishMany(const std::string& prefix, int count,
                                       const std::string& topic = "t",
                                       const std::string& data = "") {
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) {
      ids.push_back(prefix + std::to_string(i));
      EXPECT_THAT(outbox_->Publish(topic, MakeEvent(ids.back(), "", data), nullptr), IsOk());
    }
    EXPECT_THAT(outbox_->Flush(), IsOk());
    return ids;
  }
  OutboxTopicStatus TopicStatus(const std::string& topic = "t") const {
    for (const OutboxTopicStatus& one : outbox_->status().topics) {
      if (one.topic == topic) return one;
    }
    return {};
  }
  std::vector<std::string> lines() const {
    MutexLock lock(mutex_);
    return lines_;
  }

  mutable Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  TempDirectory directory_;
  const std::shared_ptr<FlakyHub> hub_ = std::make_shared<FlakyHub>();
  std::unique_ptr<Outbox> outbox_;
};

}  // namespace eventhub::client
