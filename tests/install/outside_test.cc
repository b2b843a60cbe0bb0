// A test of a program that uses the SDK, on the installed mocks and on the installed hub.

#include "eventhub/admin_client.h"
#include "eventhub/mocks/mock_connection.h"
#include "eventhub/testing/in_memory_hub.h"
#include "gtest/gtest.h"

namespace client = eventhub::client;

// A fake written by hand implements only the part of a hub that the program uses.
class HealthyHub final : public client::Connection, private client::HealthCalls {
 public:
  HealthCalls& health() override { return *this; }

 private:
  absl::StatusOr<client::Health> CheckHealth(const std::string&, absl::Duration) override {
    return client::Health::kServing;
  }
};

TEST(OutsideTest, MocksPartOfHub) {
  client::AdminClient admin(std::make_shared<HealthyHub>());
  EXPECT_EQ(admin.CheckHealth().value(), client::Health::kServing);
  EXPECT_TRUE(absl::IsUnimplemented(admin.ListTopics().status()));
}

TEST(OutsideTest, MocksHub) {
  const auto hub = std::make_shared<client::MockConnection>();
  EXPECT_CALL(*hub, CheckHealth("", testing::_))
      .WillOnce(testing::Return(client::Health::kServing));
  EXPECT_EQ(client::AdminClient(hub).CheckHealth().value(), client::Health::kServing);
}

TEST(OutsideTest, HasAHub) {
  client::InMemoryHub hub;
  client::AdminClient admin(hub.Connect());
  EXPECT_TRUE(admin.CreateTopic({.name = "orders"}).ok());
  EXPECT_TRUE(admin.GetTopic("orders").ok());
}
