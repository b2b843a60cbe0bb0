// A test of a program that uses the SDK, on the installed mocks.

#include "eventhub/admin_client.h"
#include "eventhub/mocks/mock_connection.h"
#include "gtest/gtest.h"

namespace client = eventhub::client;

TEST(OutsideTest, PlaysAHub) {
  const auto hub = std::make_shared<client::MockConnection>();
  EXPECT_CALL(*hub, CheckHealth("", testing::_))
      .WillOnce(testing::Return(client::Health::kServing));
  EXPECT_EQ(client::AdminClient(hub).CheckHealth().value(), client::Health::kServing);
}
