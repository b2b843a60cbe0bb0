// What `eventhub trace` makes of the events that it finds.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/output/trace_output.h"
#include "client/cli/run/event_trace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eventhub::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

struct Sent {
  std::string id;
  std::string cause;
  std::string correlation;
  std::string topic = "orders";
  int millis = 0;
  std::string source = "/shop";
};

v1::Event EventOf(const Sent& sent) {
  v1::Event event;
  event.set_id(sent.id);
  event.set_source(sent.source);
  event.set_type("type." + sent.id);
  auto& attributes = *event.mutable_attributes();
  if (!sent.cause.empty()) attributes["causationid"].set_string(sent.cause);
  if (!sent.correlation.empty()) attributes["correlationid"].set_string(sent.correlation);
  return event;
}

// Topics, searched as a hub searches them.
class Log {
 public:
  void Append(const Sent& sent, const std::string& dead_letter_of = "") {
    v1::Event event = EventOf(sent);
    if (!dead_letter_of.empty()) {
      auto& attributes = *event.mutable_attributes();
      attributes["deadlettersubscription"].set_string(dead_letter_of);
      attributes["deadletterreason"].set_string("the bank\nis shut");
    }
    events_.emplace_back(sent, std::move(event));
  }

  // Returns the number of rounds.
  int Search(EventTrace* trace) const {
    int rounds = 0;
    for (;; ++rounds) {
      const std::vector<client::Filter> queries = trace->TakeQueries();
      if (queries.empty()) break;
      for (size_t i = 0; i < events_.size(); ++i) {
        for (const client::Filter& query : queries) {
          if (!Passes(query, events_[i].second)) continue;
          const Sent& sent = events_[i].first;
          trace->Add({.topic = sent.topic,
                      .partition = 0,
                      .offset = static_cast<int64_t>(i),
                      .append_time = kStart + absl::Milliseconds(sent.millis),
                      .subscription = "",
                      .reason = ""},
                     events_[i].second);
        }
      }
    }
    trace->Finish();
    return rounds;
  }

 private:
  static bool Passes(const client::Filter& query, const v1::Event& event) {
    for (const v1::Filter& part : query.proto().any().filters()) {
      for (const auto& [name, value] : part.exact().values()) {
        const auto found = event.attributes().find(name);
        if (name == "id" ? event.id() == value
                         : found != event.attributes().end() && found->second.string() == value) {
          return true;
        }
      }
    }
    return false;
  }

  std::vector<std::pair<Sent, v1::Event>> events_;
};

std::string TreeOf(const Log& log, const std::string& id) {
  EventTrace trace(id);
  log.Search(&trace);
  return RenderTrace(trace, false);
}

Log Shop() {
  Log log;
  log.Append({"ord-1", "", ""});
  log.Append({"ord-2", "", "", "orders", 1});
  log.Append({"stock", "ord-1", "ord-1", "orders", 12});
  log.Append({"ord-1", "", "", "orders.eu", 3});
  log.Append({"paid", "stock", "ord-1", "payments", 1212});
  log.Append({"fraud", "ord-1", "ord-1", "orders", 30});
  return log;
}

constexpr char kShopTree[] =
    "2027-01-15T08:00:00.000000Z  type.ord-1  ord-1  orders/0:0\n"
    "│  = +3ms  copied to orders.eu/0:3\n"
    "├─ +12ms  type.stock  stock  orders/0:2\n"
    "│  └─ +1s200ms  type.paid  paid  payments/0:4\n"
    "└─ +30ms  type.fraud  fraud  orders/0:5\n";

TEST(TraceTest, ShowsTheWholeChainFromAnyOfItsEvents) {
  const Log log = Shop();
  for (const char* id : {"ord-1", "stock", "paid", "fraud"}) {
    EXPECT_EQ(TreeOf(log, id), kShopTree) << id;
  }
}

TEST(TraceTest, NeedsNoCorrelationIds) {
  Log log;
  log.Append({"a", "", ""});
  log.Append({"b", "a", "", "orders", 1});
  log.Append({"c", "b", "", "orders", 2});
  for (const char* id : {"a", "b", "c"}) {
    EventTrace trace(id);
    log.Search(&trace);
    EXPECT_EQ(trace.size(), 3) << id;
    EXPECT_EQ(trace.roots().size(), 1) << id;
  }
}

TEST(TraceTest, ACorrelationIdFindsItsEvents) {
  Log log;
  log.Append({"a", "", "case-7"});
  log.Append({"b", "gone", "case-7", "orders", 5});
  const std::string tree = TreeOf(log, "case-7");
  EXPECT_THAT(tree, HasSubstr("type.a"));
  EXPECT_THAT(tree, HasSubstr("type.b  b  orders/0:1\n   caused by gone, which was not found\n"));
}

TEST(TraceTest, DeadLettersSayWhoseAndWhy) {
  Log log = Shop();
  log.Append({"paid", "stock", "ord-1", "billing.dead-letters", 4212}, "billing");
  const std::string tree = TreeOf(log, "ord-1");
  EXPECT_THAT(tree, HasSubstr("! +3s  dead letter of billing: the bank\\nis shut  "
                              "billing.dead-letters/0:6\n"));
  EventTrace trace("ord-1");
  log.Search(&trace);
  const Json json = TraceJson(trace, trace.roots()[0]);
  const Json& letter = json["effects"][0]["effects"][0]["places"][1];
  EXPECT_EQ(letter["dead_letter_of"], "billing");
  EXPECT_EQ(letter["reason"], "the bank\nis shut");
}

TEST(TraceTest, OfSeveralEventsWithTheIdTheLastOneBeforeIsTheCause) {
  Log log;
  log.Append({"x", "", "", "a", 0, "/one"});
  log.Append({"x", "", "", "b", 10, "/two"});
  log.Append({"x", "", "", "c", 30, "/three"});
  log.Append({"effect", "x", "", "d", 20});
  EventTrace trace("effect");
  log.Search(&trace);
  EXPECT_THAT(trace.roots(), testing::SizeIs(3));
  for (const TracedEvent& event : trace.events()) {
    EXPECT_EQ(event.effects.size(), event.source == "/two" ? 1 : 0) << event.source;
  }
}

TEST(TraceTest, EventsThatCauseEachOtherAreATreeNevertheless) {
  Log log;
  log.Append({"a", "b", ""});
  log.Append({"b", "a", "", "orders", 1});
  log.Append({"self", "self", "a", "orders", 2});
  EventTrace trace("a");
  log.Search(&trace);
  EXPECT_EQ(trace.size(), 3);
  size_t shown = trace.roots().size();
  for (const TracedEvent& event : trace.events()) shown += event.effects.size();
  EXPECT_EQ(shown, 3) << "each event is at one place of the trees";
}

TEST(TraceTest, ManyEventsAreAskedForWithinTheLimitsOfAFilter) {
  Log log;
  log.Append({"root", "", ""});
  for (int i = 0; i < 2000; ++i) log.Append({absl::StrCat("e", i), "root", "root"});
  EventTrace trace("root");
  trace.TakeQueries();
  for (int i = 0; i < 2000; ++i) {
    trace.Add({.topic = "orders",
               .partition = 0,
               .offset = i,
               .append_time = kStart,
               .subscription = "",
               .reason = ""},
              EventOf({absl::StrCat("e", i), "root", "root"}));
  }
  const std::vector<client::Filter> queries = trace.TakeQueries();
  EXPECT_EQ(queries.size(), 3);
  for (const client::Filter& query : queries) {
    EXPECT_LE(query.proto().any().filters_size(), 1'000);
    EXPECT_LE(query.proto().ByteSizeLong(), 65'536);
  }
  EXPECT_THAT(trace.TakeQueries(), testing::IsEmpty());
}

TEST(TraceTest, ColorIsForTerminals) {
  EventTrace trace("ord-1");
  Shop().Search(&trace);
  EXPECT_THAT(RenderTrace(trace, true), HasSubstr("\033[1mtype.ord-1\033[0m"));
  EXPECT_THAT(RenderTrace(trace, false), Not(HasSubstr("\033")));
}

}  // namespace
}  // namespace eventhub::cli
