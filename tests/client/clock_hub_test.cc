// A hub doubts its clock, and the SDK confirms it.

#include <memory>
#include <utility>

#include "eventhub/admin_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_clock.h"
#include "tests/support/test_hub.h"

namespace eventhub::client {
namespace {

TEST(ClockTest, OperatorConfirmsClock) {
  FakeClock clock;
  ServerOptions options = TestServerOptions();
  options.broker.clock = &clock;
  TestHub hub(std::move(options));
  AdminClient admin(Connect(hub.address()));
  const auto doubt = [&] { return admin.GetStats()->clock_doubt; };
  EXPECT_EQ(doubt(), "");
  const absl::Time before = clock.Now();
  clock.Jump(absl::Hours(24 * 3650));
  EXPECT_TRUE(Eventually([&] {
    clock.Advance(absl::Seconds(1));
    return !doubt().empty();
  }));
  const absl::StatusOr<absl::Time> confirmed = admin.ConfirmClock();
  ASSERT_TRUE(confirmed.ok()) << confirmed.status();
  EXPECT_EQ(*confirmed, clock.Now());
  EXPECT_GT(*confirmed, before + absl::Hours(24 * 3649));
  EXPECT_EQ(doubt(), "");
}

}  // namespace
}  // namespace eventhub::client
