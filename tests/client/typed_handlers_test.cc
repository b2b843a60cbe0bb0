// Handlers by type of event: decoding of JSON and of protobuf messages, and what becomes of the
// rest.
#include "eventhub/typed_handlers.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eventhub/json_data.h"
#include "eventhub/v1/topology.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/subscriber_fixture.h"

namespace eventhub::client {
namespace shop {

struct Order {
  std::string id;
  int total = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, id, total)

}  // namespace shop

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// An event as it is delivered.
class Delivered {
 public:
  Delivered(const std::string& type, const std::string& content_type, const std::string& data) {
    v1::EventBatch proto;
    v1::Event& event = *proto.add_events();
    event.set_id("1");
    event.set_type(type);
    event.set_data_content_type(content_type);
    event.set_data(data);
    const auto bytes = std::make_shared<std::string>(proto.SerializeAsString());
    batch_ = *EventBatch::Parse({.view = *bytes, .owner = bytes}, *bytes);
    first_ = batch_.begin();
  }

  const ReceivedEvent& event() const { return **first_; }
  Outcome To(const TypedHandlers& handlers) const { return handlers(event()); }

 private:
  EventBatch batch_;
  std::optional<EventBatch::Iterator> first_;
};

class TypedHandlersTest : public testing::Test {
 protected:
  TypedHandlersTest() {
    handlers_
        .On<shop::Order>("order",
                         [this](const TypedEvent<shop::Order>& order) {
                           seen_.push_back(order.data.id + " " + std::to_string(order.data.total));
                           return Outcome::Ack();
                         })
        .On<v1::Topic>("topic", [this](const TypedEvent<v1::Topic>& topic) {
          seen_.push_back(topic.event.id() + " " + topic.data.name());
          return Outcome::Retry("later");
        });
  }

  // The reason for which it becomes a dead letter.
  std::string Parked(const std::string& type, const std::string& content_type,
                     const std::string& data) {
    const Outcome outcome = Delivered(type, content_type, data).To(handlers_);
    EXPECT_EQ(outcome.kind, Outcome::Kind::kPark);
    EXPECT_TRUE(seen_.empty());
    return outcome.reason;
  }

  TypedHandlers handlers_;
  std::vector<std::string> seen_;
};

TEST_F(TypedHandlersTest, DecodeJson) {
  const std::string data = R"({"id": "o1", "total": 42, "new": true})";
  for (const char* const type :
       {"", "application/json", "Application/JSON; charset=utf-8", "application/shop+json"}) {
    EXPECT_EQ(Delivered("order", type, data).To(handlers_).kind, Outcome::Kind::kAck) << type;
  }
  EXPECT_THAT(seen_, ElementsAre("o1 42", "o1 42", "o1 42", "o1 42"));
}

TEST_F(TypedHandlersTest, DecodeMessages) {
  v1::Topic topic;
  topic.set_name("t");
  const std::string binary = topic.SerializeAsString();
  for (const char* const type : {"", "application/protobuf", "application/x-protobuf"}) {
    EXPECT_EQ(Delivered("topic", type, binary).To(handlers_).kind, Outcome::Kind::kRetry) << type;
  }
  Delivered("topic", "application/json", R"({"name": "j", "unknownField": 1})").To(handlers_);
  EXPECT_THAT(seen_, ElementsAre("1 t", "1 t", "1 t", "1 j"));
}

TEST_F(TypedHandlersTest, ParksUndecodableEventsWithTheReason) {
  EXPECT_THAT(Parked("order", "", "{"), HasSubstr("the data is not as expected"));
  EXPECT_THAT(Parked("order", "", R"({"id": "o1"})"), HasSubstr("total"));
  EXPECT_THAT(Parked("order", "", R"({"id": 5, "total": 1})"), HasSubstr("must be string"));
  EXPECT_THAT(Parked("order", "text/plain", "hello"), HasSubstr("is not JSON: text/plain"));
  EXPECT_THAT(Parked("topic", "", "hello"), HasSubstr("is not a eventhub.v1.Topic"));
  EXPECT_THAT(Parked("topic", "application/json", R"({"name": []})"),
              HasSubstr("is not the JSON of a eventhub.v1.Topic"));
  EXPECT_THAT(Parked("topic", "text/plain", "hello"), HasSubstr("neither protobuf nor JSON"));
}

TEST_F(TypedHandlersTest, PreparesEventsBeforeTheyAreDecoded) {
  absl::Status status;
  handlers_.Prepare([&](v1::Event& event) {
    event.set_data(R"({"id": "o1", "total": 42})");
    return status;
  });
  const Delivered event("order", "", "");
  EXPECT_EQ(event.To(handlers_).kind, Outcome::Kind::kAck);
  EXPECT_THAT(seen_, ElementsAre("o1 42"));
  status = absl::UnavailableError("the disk is away");
  const Outcome retried = event.To(handlers_);
  EXPECT_EQ(retried.kind, Outcome::Kind::kRetry);
  EXPECT_EQ(retried.reason, "the disk is away");
  status = absl::NotFoundError("the data is gone");
  const Outcome parked = event.To(handlers_);
  EXPECT_EQ(parked.kind, Outcome::Kind::kPark);
  EXPECT_EQ(parked.reason, "the data is gone");
  EXPECT_EQ(seen_.size(), 1u);
}

TEST(DecodeDataTest, ReturnsTheDataOrWhatIsWrongWithIt) {
  v1::Event event;
  event.set_data(R"({"id": "ord-81", "total": 42})");
  const auto order = DecodeData<shop::Order>(event);
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->id, "ord-81");
  event.set_data(R"({"id": "ord-81"})");
  const absl::Status refused = DecodeData<shop::Order>(event).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("total"));
}

TEST(UnhandledTypesTest, AreSkippedAckedOrParked) {
  const Delivered event("news", "", "not even JSON");
  const Outcome skipped = event.To(TypedHandlers());
  EXPECT_EQ(skipped.kind, Outcome::Kind::kSkip);
  EXPECT_EQ(skipped.reason, "no handler for type news");
  EXPECT_EQ(event.To(TypedHandlers(Unhandled::kAck)).kind, Outcome::Kind::kAck);
  EXPECT_EQ(event.To(TypedHandlers(Unhandled::kPark)).reason, "no handler for type news");
}

class AsyncTypedHandlersTest : public SubscriberTest {};

TEST_F(AsyncTypedHandlersTest, SettleLaterAndParkUndecodableEvents) {
  std::vector<std::pair<TypedEvent<shop::Order>, Settler>> held;
  AsyncTypedHandlers handlers;
  handlers.On<shop::Order>("order", [&](TypedEvent<shop::Order> order, Settler settler) {
    held.emplace_back(std::move(order), std::move(settler));
  });
  handlers.Prepare([](v1::Event& event) {
    return event.data() == "!" ? absl::NotFoundError("gone") : absl::OkStatus();
  });
  StartQueue({.on_event_async = handlers});
  v1::ConsumeResponse response = Events(0, 0, 4);
  const auto set = [&](int i, const char* type, const char* data) {
    v1::Event& event = *response.mutable_batches(0)->mutable_events(i);
    event.set_type(type);
    event.set_data(data);
  };
  set(0, "order", R"({"id": "o1", "total": 42})");
  set(1, "order", "?");
  set(2, "news", "");
  set(3, "order", "!");
  hub_->Send(response);
  Run();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].first.data.total, 42);
  std::vector<std::string> sent = Sent();
  for (std::string& rest : SettleLast()) sent.push_back(std::move(rest));
  EXPECT_THAT(sent,
              ElementsAre(HasSubstr("park 0@10 [1,2): the data is not as expected"),
                          "skip 0@10 [2,3): no handler for type news", "park 0@10 [3,4): gone"));
  held[0].second.Ack();
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@10 [0,1)"));
}

}  // namespace
}  // namespace eventhub::client
