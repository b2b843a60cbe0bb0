// Routes of an in-memory broker, with synchronous calls.
#pragma once

#include <future>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/status_macros.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"

namespace eventhub {

inline v1::Route RouteOf(const std::string& name, const std::string& source,
                         const std::vector<std::string>& targets) {
  v1::Route route;
  route.set_name(name);
  route.set_source_topic(source);
  for (const std::string& target : targets) route.add_target_topics(target);
  return route;
}

inline v1::Filter ExactFilter(const std::string& attribute, const std::string& value) {
  v1::Filter filter;
  (*filter.mutable_exact()->mutable_values())[attribute] = value;
  return filter;
}

inline v1::Event TypedEvent(const std::string& id, const std::string& type,
                            const std::string& key = "") {
  v1::Event event = MakeEvent(id, key);
  event.set_type(type);
  return event;
}

class RouteRig : public SubscriptionRig {
 public:
  absl::StatusOr<v1::CreateRouteResponse> CreateRoute(const v1::Route& route) {
    v1::CreateRouteRequest request;
    *request.mutable_route() = route;
    return Await<v1::CreateRouteResponse>(
        [&](auto done) { broker().routes().Create(kTester, request, std::move(done)); });
  }
  absl::StatusOr<v1::CreateRouteResponse> CreateRoute(const std::string& name,
                                                      const std::string& source,
                                                      const std::vector<std::string>& targets) {
    return CreateRoute(RouteOf(name, source, targets));
  }
  absl::StatusOr<v1::UpdateRouteResponse> UpdateRoute(const v1::Route& route,
                                                      const std::vector<std::string>& mask) {
    v1::UpdateRouteRequest request;
    *request.mutable_route() = route;
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    return Await<v1::UpdateRouteResponse>(
        [&](auto done) { broker().routes().Update(kTester, request, std::move(done)); });
  }
  absl::StatusOr<v1::DeleteRouteResponse> DeleteRoute(const std::string& name) {
    v1::DeleteRouteRequest request;
    request.set_name(name);
    return Await<v1::DeleteRouteResponse>(
        [&](auto done) { broker().routes().Delete(kTester, request, std::move(done)); });
  }
  absl::StatusOr<v1::GetRouteResponse> GetRoute(const std::string& name) {
    v1::GetRouteRequest request;
    request.set_name(name);
    return broker().routes().Get(kTester, request);
  }
  v1::RouteStats StatsOf(const std::string& route) {
    const absl::StatusOr<v1::GetRouteResponse> response = GetRoute(route);
    EXPECT_THAT(response, IsOk());
    return response.ok() ? response->stats() : v1::RouteStats();
  }
  v1::TopicStats TopicStatsOf(const std::string& topic) {
    const absl::StatusOr<v1::GetTopicResponse> response = broker().topics().Get(kTester, topic);
    EXPECT_THAT(response, IsOk());
    return response.ok() ? response->stats() : v1::TopicStats();
  }
  absl::Status DeleteWithRoutes(const std::string& topic) {
    v1::DeleteTopicRequest request;
    request.set_name(topic);
    request.set_delete_routes(true);
    std::promise<absl::Status> outcome;
    broker().topics().Delete(kTester, request,
                             [&](absl::Status status) { outcome.set_value(status); });
    return outcome.get_future().get();
  }

  absl::StatusOr<v1::PublishResult> PublishEvents(const std::string& topic,
                                                  const std::vector<v1::Event>& events) {
    v1::PublishStreamRequest request;
    request.set_topic(topic);
    for (const v1::Event& event : events) *request.add_events() = event;
    return BrokerRig::Publish(request);
  }

  // All ids that the topic holds, by partition and offset.
  std::vector<std::string> Ids(const std::string& topic) {
    std::vector<std::string> ids;
    const absl::StatusOr<Delivered> read = Read(topic);
    EXPECT_THAT(read, IsOk());
    if (!read.ok()) return ids;
    for (const auto& [partition, events] : read->events) {
      for (const Delivered::Event& event : events) ids.push_back(event.id);
    }
    return ids;
  }
  // All events that the topic holds, by partition and offset.
  std::vector<v1::Event> Events(const std::string& topic) {
    std::vector<v1::Event> events;
    const auto reader = broker().readers().Open(kTester, ReadOf(topic));
    EXPECT_THAT(reader, IsOk());
    if (!reader.ok()) return events;
    for (;;) {
      Frame frame;
      const absl::StatusOr<TopicReader::Step> step = (*reader)->Poll(&frame);
      EXPECT_THAT(step, IsOk());
      if (!step.ok() || *step == TopicReader::Step::kWait || *step == TopicReader::Step::kEnd) {
        return events;
      }
      if (*step == TopicReader::Step::kCold) {
        EXPECT_THAT((*reader)->ReadCold(&frame), IsOk());
      }
      for (const Delivery& delivery : frame.deliveries) {
        std::string region;
        for (const SharedBytes& piece : delivery.events) region.append(piece.data(), piece.size());
        v1::EventBatch batch;
        EXPECT_TRUE(batch.ParseFromString(region));
        for (v1::Event& event : *batch.mutable_events()) events.push_back(std::move(event));
      }
    }
  }

 private:
  template <typename Response, typename Call>
  static absl::StatusOr<Response> Await(Call call) {
    std::promise<absl::StatusOr<Response>> outcome;
    call([&](absl::StatusOr<Response> response) { outcome.set_value(std::move(response)); });
    return outcome.get_future().get();
  }
};

// Has an open rig with topics a to d.
class RouteTestBase : public testing::Test {
 protected:
  void SetUp() override {
    rig_.EnableTrimming();
    ASSERT_THAT(rig_.Open(), IsOk());
    for (const char* const topic : {"a", "b", "c", "d"}) ASSERT_THAT(rig_.Create(topic), IsOk());
  }

  RouteRig rig_;
};

}  // namespace eventhub
