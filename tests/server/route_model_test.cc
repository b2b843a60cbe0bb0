// Routes compared with a model: after any changes, events and restarts, each topic holds the
// expected events.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/server/route_rig.h"
#include "tests/server/seeded.h"

namespace eventhub {
namespace {

class RouteModelTest : public SeededTest {
 protected:
  static constexpr int kTopics = 6;

  static std::string TopicOf(int64_t i) { return absl::StrCat("t", i); }
  std::string RandomType() { return absl::StrCat("type", Int(0, 3)); }

  // From a topic to topics with higher numbers, so there is never a loop.
  v1::Route RandomRoute(const std::string& name, int64_t source) {
    v1::Route route = RouteOf(name, TopicOf(source), {});
    for (int64_t t = source + 1; t < kTopics; ++t) {
      if (OneIn(3) || (t == kTopics - 1 && route.target_topics().empty())) {
        route.add_target_topics(TopicOf(t));
      }
    }
    if (OneIn(2))
      *route.mutable_filter() = ExactFilter("type", RandomType());
    else if (OneIn(3))
      *route.mutable_filter() = ExactFilter("mark", "set");
    if (OneIn(4)) (*route.mutable_set_attributes())["mark"].set_string("set");
    if (OneIn(4)) route.mutable_partition_key()->set_none(true);
    route.set_disabled(OneIn(6));
    return route;
  }

  void Expect(const v1::Event& event, const std::string& topic) {
    ++held_[topic][event.id()];
    for (const auto& [name, route] : routes_) {
      if (route.source_topic() != topic || route.disabled()) continue;
      if (route.has_filter()) {
        const auto& wanted = *route.filter().exact().values().begin();
        const auto mark = event.attributes().find("mark");
        const bool passes = wanted.first == "type" ? event.type() == wanted.second
                                                   : mark != event.attributes().end() &&
                                                         mark->second.string() == wanted.second;
        if (!passes) continue;
      }
      v1::Event copy = event;
      for (const auto& [attribute, value] : route.set_attributes()) {
        (*copy.mutable_attributes())[attribute] = value;
      }
      for (const std::string& target : route.target_topics()) Expect(copy, target);
    }
  }

  void Check() {
    for (int t = 0; t < kTopics; ++t) {
      std::map<std::string, int> found;
      for (const std::string& id : rig_.Ids(TopicOf(t))) ++found[id];
      ASSERT_EQ(found, held_[TopicOf(t)]) << TopicOf(t);
    }
  }

  RouteRig rig_;
  std::map<std::string, v1::Route> routes_;
  std::map<std::string, std::map<std::string, int>> held_;
};

TEST_F(RouteModelTest, MatchesModel) {
  ASSERT_THAT(rig_.Open(), IsOk());
  for (int t = 0; t < kTopics; ++t) {
    ASSERT_THAT(rig_.Create(TopicOf(t), static_cast<uint32_t>(Int(1, 4))), IsOk());
  }
  int next_id = 0;
  for (int step = 0; step < Steps(300); ++step) {
    const int64_t action = Int(0, 19);
    const std::string name = absl::StrCat("r", Int(0, 7));
    const auto known = routes_.find(name);
    if (action < 3 && known == routes_.end()) {
      const v1::Route route = RandomRoute(name, Int(0, kTopics - 2));
      ASSERT_THAT(rig_.CreateRoute(route), IsOk());
      routes_[name] = route;
    } else if (action < 3) {
      const int64_t source = known->second.source_topic().back() - '0';
      known->second = RandomRoute(name, source);
      ASSERT_THAT(rig_.UpdateRoute(known->second, {"filter", "target_topics", "partition_key",
                                                   "set_attributes", "disabled"}),
                  IsOk());
    } else if (action == 3 && known != routes_.end()) {
      ASSERT_THAT(rig_.DeleteRoute(name), IsOk());
      routes_.erase(known);
    } else if (action == 4) {
      rig_.Reopen();
    } else if (action == 5) {
      Check();
    } else {
      const std::string topic = TopicOf(Int(0, kTopics - 1));
      std::vector<v1::Event> events;
      for (int64_t i = Int(1, 5); i > 0; --i) {
        v1::Event event = TypedEvent(absl::StrCat(next_id++), RandomType(),
                                     OneIn(2) ? absl::StrCat("key", Int(0, 9)) : "");
        if (OneIn(4)) (*event.mutable_attributes())["mark"].set_string(OneIn(2) ? "set" : "other");
        Expect(event, topic);
        events.push_back(event);
      }
      ASSERT_THAT(rig_.PublishEvents(topic, events), IsOk());
    }
    if (HasFatalFailure()) return;
  }
  rig_.Reopen();
  Check();
}

}  // namespace
}  // namespace eventhub
