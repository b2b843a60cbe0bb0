// Tells when retention has been applied.
#pragma once

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/broker_rig.h"
#include "tests/support/eventually.h"

namespace eventhub {

// A topic that each pass of retention trims last: once it is trimmed, so are all others. It keeps
// events for a second, and is not archived.
class RetentionProbe {
 public:
  explicit RetentionProbe(BrokerRig& rig) : rig_(rig) {}

  void Create() {
    v1::Topic topic;
    topic.set_name(kName);
    topic.mutable_retention()->mutable_max_age()->set_seconds(1);
    topic.set_archive(false);
    ASSERT_THAT(rig_.Create(topic), IsOk());
  }

  // What is published is trimmed once at least 2 s have passed.
  void Publish() { ASSERT_THAT(rig_.Publish(kName, {"probe"}), IsOk()); }
  bool IsTrimmed() {
    const v1::PartitionInfo probe = rig_.Describe(kName);
    return probe.start_offset() == probe.end_offset();
  }

  // Advances time, by at least 2 s, and waits until all limits have been applied.
  void Pass(absl::Duration time) {
    Publish();
    rig_.clock.Advance(time);
    ASSERT_TRUE(Eventually([&] { return IsTrimmed(); }));
  }

 private:
  static constexpr char kName[] = "zz-probe";

  BrokerRig& rig_;
};

}  // namespace eventhub
