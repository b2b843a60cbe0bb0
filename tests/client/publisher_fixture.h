// The fixture of the publisher tests: a publisher on a fake hub, and the results of its events.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/src/publish/publisher_core.h"
#include "eventhub/publisher.h"
#include "gtest/gtest.h"
#include "tests/client/fake_hub.h"

namespace eventhub::client {

inline v1::Event MakeEvent(const std::string& id, const std::string& key = "") {
  v1::Event event;
  event.set_id(id);
  event.set_source("/test");
  event.set_type("test");
  event.set_partition_key(key);
  return event;
}

class PublisherTest : public testing::Test {
 protected:
  void Start(PublisherOptions options = {.topic = "t"}) {
    publisher_ = std::make_unique<Publisher>(
        std::make_shared<PublisherCore>(hub_, std::move(options), hub_->clock()));
  }

  // Publishes an event and records its result.
  absl::Status Publish(const std::string& id, const std::string& key = "") {
    return publisher_->Publish(MakeEvent(id, key), Recorder(id));
  }
  absl::Status PublishTo(uint32_t partition, const std::string& id) {
    return publisher_->PublishTo(partition, MakeEvent(id), Recorder(id));
  }
  Publisher::Callback Recorder(const std::string& id) {
    return [this, id](absl::StatusOr<PublishedEvent> result) {
      EXPECT_TRUE(results_.emplace(id, std::move(result)).second) << "a second result for " << id;
      order_.push_back(id);
    };
  }

  bool HasResult(const std::string& id) const { return results_.count(id) != 0; }
  absl::Status StatusOf(const std::string& id) const { return results_.at(id).status(); }
  PublishedEvent PlaceOf(const std::string& id) const { return results_.at(id).value(); }

  // First, because it must outlive the publisher, whose destructor still reports results.
  std::map<std::string, absl::StatusOr<PublishedEvent>> results_;
  std::vector<std::string> order_;  // The order of the results.
  const std::shared_ptr<testing::NiceMock<FakeHub>> hub_ =
      std::make_shared<testing::NiceMock<FakeHub>>();
  std::unique_ptr<Publisher> publisher_;
};

}  // namespace eventhub::client
