// The limits on the number of open streams.
#include "server/rpc/stream_limits.h"

#include <gtest/gtest.h>

#include <vector>

namespace eventhub {
namespace {

// Takes as many places as a host gets, using different addresses of it.
std::vector<StreamLimits::Place> TakeAll(StreamLimits& limits, const std::string& host) {
  std::vector<StreamLimits::Place> places;
  for (int port = 1; auto place = limits.Take(host + ":" + std::to_string(port)); ++port) {
    places.push_back(*std::move(place));
  }
  return places;
}

TEST(StreamLimitsTest, HostTakesAtMostHalfOfFreeStreams) {
  StreamLimits limits(1'000);
  const auto first = TakeAll(limits, "ipv4:10.0.0.1");
  EXPECT_EQ(first.size(), 500u);
  const auto second = TakeAll(limits, "ipv4:10.0.0.2");
  EXPECT_EQ(second.size(), 250u);
  EXPECT_EQ(limits.open(), 750u);
  EXPECT_FALSE(limits.Take("ipv4:10.0.0.1:9").has_value());
  EXPECT_TRUE(limits.Take("unix:").has_value());
}

TEST(StreamLimitsTest, ReturnsPlaces) {
  StreamLimits limits(4);
  auto places = TakeAll(limits, "ipv4:10.0.0.1");
  ASSERT_EQ(places.size(), 2u);
  places.pop_back();
  EXPECT_EQ(limits.open(), 1u);
  EXPECT_EQ(TakeAll(limits, "ipv4:10.0.0.1").size(), 1u);
  places.clear();
  EXPECT_EQ(limits.open(), 0u);
}

TEST(StreamLimitsTest, CountsIpv6NetworkAsOneHost) {
  StreamLimits limits(4);
  const auto one = TakeAll(limits, "ipv6:%5B2001:db8::1%5D");
  EXPECT_EQ(one.size(), 2u);
  EXPECT_FALSE(limits.Take("ipv6:%5B2001:db8::2%5D:7").has_value());
  EXPECT_TRUE(limits.Take("ipv6:%5B2001:db8:0:1::1%5D:7").has_value());
}

}  // namespace
}  // namespace eventhub
