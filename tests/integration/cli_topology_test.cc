// Topologies in YAML and back, and the errors of invalid ones.
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "client/cli/input/topology_faults.h"
#include "client/cli/input/topology_yaml.h"
#include "client/cli/input/units.h"
#include "client/cli/output/topology_output.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace eventhub::cli {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kAllThereIs[] = R"(
topics:
  - name: orders
    partitions: 8
    retention: {max_age: 7d, max_bytes: 10GiB, refuse_when_full: true}
    default_durability: written
    max_event_bytes: 16MiB
    description: "true"
    deduplication_window: 1h30m
    archive: false
  - name: bus
    retention:
      none: true
subscriptions:
  - name: billing
    topic: orders
    kind: queue
    ordered_by_key: true
    ack_deadline: 250ms
    retry_policy: {min_backoff: 1s, max_backoff: 1h}
    max_delivery_attempts: 5
    rate_limit: {events_per_second: 1000, bytes_per_second: 1500kB}
    filter: type LIKE 'shop.%'
routes:
  - name: eu
    source_topic: bus
    target_topics: [orders, audit]
    filter:
      all:
        - prefix: {subject: eu/}
        - not: {sql: EXISTS test}
    partition_key: {from_attribute: subject}
    set_attributes: {channel: eu, hops: 5, public: true, code: "7", where: {uri: "urn:x"}}
    on_unavailable: skip
links:
  - name: l
    remote_address: "h:7070"
    remote_topic: a
    local_topic: b
    start: 2026-01-31T12:00:00Z
    disabled: true
)";

std::vector<std::string> Faults(const std::string& yaml) {
  TopologyReader reader;
  reader.Read("t.yaml", yaml);
  return reader.faults();
}

v1::Topology Parsed(const std::string& yaml) {
  TopologyReader reader;
  reader.Read("t.yaml", yaml);
  EXPECT_THAT(reader.faults(), testing::IsEmpty());
  return reader.topology();
}

TEST(CliTopologyYaml, ReadsHumanFriendlyValues) {
  const v1::Topology topology = Parsed(kAllThereIs);
  ASSERT_EQ(topology.topics_size(), 2);
  const v1::Topic& orders = topology.topics(0);
  EXPECT_EQ(orders.partitions(), 8u);
  EXPECT_EQ(orders.retention().max_age().seconds(), 7 * 86400);
  EXPECT_EQ(orders.retention().max_bytes(), uint64_t{10} << 30);
  EXPECT_TRUE(orders.retention().refuse_when_full());
  EXPECT_EQ(orders.default_durability(), v1::DURABILITY_WRITTEN);
  EXPECT_EQ(orders.max_event_bytes(), 16u << 20);
  EXPECT_EQ(orders.description(), "true");
  EXPECT_EQ(orders.deduplication_window().seconds(), 5400);
  EXPECT_TRUE(orders.has_archive());
  EXPECT_FALSE(orders.archive());
  EXPECT_TRUE(topology.topics(1).retention().none());
  const v1::Subscription& billing = topology.subscriptions(0);
  EXPECT_EQ(billing.kind(), v1::Subscription::KIND_QUEUE);
  EXPECT_EQ(billing.ack_deadline().nanos(), 250'000'000);
  EXPECT_EQ(billing.rate_limit().events_per_second(), 1000u);
  EXPECT_EQ(billing.rate_limit().bytes_per_second(), 1'500'000u);
  EXPECT_EQ(billing.filter().sql(), "type LIKE 'shop.%'");
  const v1::Route& eu = topology.routes(0);
  EXPECT_THAT(eu.target_topics(), ElementsAre("orders", "audit"));
  EXPECT_EQ(eu.filter().all().filters(0).prefix().values().at("subject"), "eu/");
  EXPECT_EQ(eu.partition_key().from_attribute(), "subject");
  EXPECT_EQ(eu.set_attributes().at("channel").string(), "eu");
  EXPECT_EQ(eu.set_attributes().at("hops").integer(), 5);
  EXPECT_TRUE(eu.set_attributes().at("public").boolean());
  EXPECT_EQ(eu.set_attributes().at("code").string(), "7");
  EXPECT_EQ(eu.set_attributes().at("where").uri(), "urn:x");
  EXPECT_EQ(eu.on_unavailable(), v1::Route::ON_UNAVAILABLE_SKIP);
  EXPECT_EQ(topology.links(0).start().timestamp().seconds(), 1'769'860'800);
  EXPECT_TRUE(topology.links(0).disabled());
}

TEST(CliTopologyYaml, RoundTrips) {
  v1::Topology topology = Parsed(kAllThereIs);
  topology.mutable_topics(0)->set_description("~");
  topology.mutable_topics(1)->set_description("a: b # c\n- d");
  topology.mutable_topics(0)->mutable_create_time()->set_seconds(1);
  const std::string yaml = WriteTopology(topology);
  topology.mutable_topics(0)->clear_create_time();
  EXPECT_TRUE(MessageDifferencer::Equals(Parsed(yaml), topology)) << yaml;
  EXPECT_THAT(yaml, HasSubstr("max_age: 7d"));
  EXPECT_THAT(yaml, HasSubstr("max_bytes: 10GiB"));
  EXPECT_THAT(yaml, HasSubstr("target_topics: [orders, audit]"));
  EXPECT_EQ(WriteTopology(v1::Topology()), "");
  EXPECT_EQ(Parsed("").ByteSizeLong(), 0u);
  EXPECT_EQ(Parsed("topics:\n").ByteSizeLong(), 0u);
}

// Whatever the contract has, in a file and in a list of changes.
TEST(CliTopologyYaml, RoundTripsEachStart) {
  const std::map<std::string, std::string> starts = {
      {"earliest", "earliest: true"},
      {"latest", "latest: true"},
      {"retained", "retained: true"},
      {"500", "offset: 500"},
      {"2026-01-31T12:00:00Z", "timestamp { seconds: 1769860800 }"}};
  EXPECT_EQ(starts.size(),
            static_cast<size_t>(v1::StartPosition::descriptor()->oneof_decl(0)->field_count()));
  for (const auto& [word, text] : starts) {
    v1::Topology topology;
    topology.add_links()->set_name("l");
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
        text, topology.mutable_links(0)->mutable_start()));
    const std::string yaml = WriteTopology(topology);
    EXPECT_THAT(yaml, HasSubstr("start: " + word));
    EXPECT_TRUE(MessageDifferencer::Equals(Parsed(yaml), topology)) << yaml;
    std::string json;
    ASSERT_TRUE(google::protobuf::util::MessageToJsonString(topology.links(0).start(), &json).ok());
    client::ApplyResult result;
    client::TopologyChange& change = result.changes.emplace_back();
    change.kind = client::TopologyChange::Kind::kLink;
    change.action = client::TopologyChange::Action::kCreate;
    change.fields.push_back({.path = "start", .old_value = "", .new_value = json});
    EXPECT_THAT(RenderApply(result, PlanRisks(client::Topology()), ""),
                HasSubstr("start: " + word));
  }
}

TEST(CliTopologyYaml, MergesFilesAndDocuments) {
  TopologyReader reader;
  reader.Read("a", "topics: [{name: a}]\n---\ntopics: [{name: b}]\n");
  reader.Read("b", "routes: [{name: a}]");
  EXPECT_THAT(reader.faults(), testing::IsEmpty());
  EXPECT_EQ(reader.topology().topics_size(), 2);
  reader.Read("c", "topics: [{name: a}]");
  EXPECT_THAT(reader.faults(), ElementsAre("c:1:10: 'a' of topics is already defined: a:1:10"));
}

TEST(CliTopologyFaults, HavePositionAndTermsOfFile) {
  TopologyReader reader;
  reader.Read("a.yaml", "topics:\n- name: a\n  retention: {max_age: 7d}\n");
  reader.Read("b.yaml", "subscriptions: [{name: a, kind: queue}]");
  const auto located = [&](absl::string_view fault) { return LocateFault(reader, fault); };
  EXPECT_EQ(located("topic a: retention.max_age: is odd: 7"),
            "a.yaml:3:24: topic a: retention.max_age: is odd: 7");
  EXPECT_EQ(located("topic a: retention.max_bytes: is odd"),
            "a.yaml:3:14: topic a: retention.max_bytes: is odd");
  EXPECT_EQ(located("topic a: partitions: are odd"), "a.yaml:2:3: topic a: partitions: are odd");
  EXPECT_EQ(located("topic a: is odd"), "a.yaml:2:3: topic a: is odd");
  EXPECT_EQ(located("topic b: is odd"), "topic b: is odd");
  EXPECT_EQ(located("and 7 more"), "and 7 more");
  EXPECT_EQ(located("subscription a: kind: is \"KIND_QUEUE\", must be STREAM"),
            "b.yaml:1:33: subscription a: kind: is queue, must be stream");
}

TEST(CliTopologyYaml, ReportsEveryFaultWithPosition) {
  EXPECT_THAT(
      Faults(R"(topics:
  - name: a
    partitons: 8
  - partitions: many
    retention: {max_age: 7 days, max_bytes: lots, none: yes}
  - name: [b]
    name: c
    create_time: 2026-01-31
)"),
      ElementsAre("t.yaml:3:5: unknown key 'partitons'; did you mean 'partitions'?",
                  "t.yaml:4:17: 'partitions': 'many' is not a number from 0 to "
                  "4,294,967,295",
                  "t.yaml:5:26: 'max_age': '7 days' is not a duration; write it like 90s, "
                  "1h30m or 7d",
                  "t.yaml:5:45: 'max_bytes': 'lots' is not a size; write it like 512, "
                  "64KiB or 10GiB",
                  "t.yaml:5:57: 'none': 'yes' is not true or false",
                  "t.yaml:4:5: 'name' is missing",
                  "t.yaml:6:11: 'name' is a sequence, and not a text",
                  "t.yaml:7:5: 'name' is given more than once",
                  "t.yaml:8:5: 'create_time' is set by the hub", "t.yaml:6:5: 'name' is missing"));
}

TEST(CliTopologyYaml, Filters) {
  const auto route = [](const std::string& filter) {
    return Faults("routes:\n  - name: r\n    filter: " + filter + "\n");
  };
  EXPECT_THAT(route("{all: [{exact: {a: b}}]}"), testing::IsEmpty());
  EXPECT_THAT(route("type ="), ElementsAre(HasSubstr("t.yaml:3:13: filter.sql: line 1, column")));
  EXPECT_THAT(route("{all: [{exact: {a: b}}, {sql: a =}]}"),
              ElementsAre(HasSubstr("t.yaml:3:43: filter.all[1].sql: line 1, column")));
  EXPECT_THAT(route("{like: x}"),
              ElementsAre(HasSubstr("t.yaml:3:20: filter.like: is no dialect")));
  EXPECT_THAT(route("&x {all: [*x]}"), ElementsAre(HasSubstr("nested deeper than")));
}

TEST(CliTopologyYaml, RejectsInvalidUtf8) {
  EXPECT_THAT(Faults("routes:\n- name: r\n  filter: {exact: {a: \"Gr\u00FC\xDF\"}}\n"),
              ElementsAre("t.yaml:3:27: is not UTF-8"));
  EXPECT_THAT(Faults("\xFF"), ElementsAre("t.yaml:1:1: is not UTF-8"));
  EXPECT_THAT(Faults("topics: [{name: a, description: \"Gr\u00FC\u00DFe\"}]"), testing::IsEmpty());
}

TEST(CliTopologyYaml, RejectsOtherFaults) {
  EXPECT_THAT(Faults("topics: {a: b"), ElementsAre(HasSubstr("is not YAML")));
  EXPECT_THAT(Faults("- a"), ElementsAre("t.yaml:1:1: a sequence is not a mapping"));
  EXPECT_THAT(Faults("topics: 5"), ElementsAre("t.yaml:1:9: 'topics' is '5', and not a sequence"));
  EXPECT_THAT(Faults("routes: [{name: a, on_unavailable: retry}]"),
              ElementsAre(HasSubstr("'retry' is not one of: fail, skip")));
  EXPECT_THAT(Faults("routes: [{name: a, partition_key: {none: true, constant: x}}]"),
              ElementsAre("t.yaml:1:48: 'constant' excludes 'none'"));
  EXPECT_THAT(Faults("links: [{name: a, start: 15m}]"),
              ElementsAre(HasSubstr("'15m' is not earliest, retained, latest, an offset")));
  EXPECT_THAT(
      Faults("topics: [{name: ~}]"),
      ElementsAre("t.yaml:1:17: 'name' is null, and not a text", "t.yaml:1:10: 'name' is missing"));
  EXPECT_THAT(Faults("topics: [{name: a, max_event_bytes: 5GiB}]"),
              ElementsAre(HasSubstr("'5GiB' is too large")));
}

TEST(CliUnits, ExactValues) {
  EXPECT_EQ(FormatExactAge(absl::Hours(24) + absl::Minutes(3) + absl::Seconds(1)), "1d3m1s");
  EXPECT_EQ(FormatExactAge(absl::Milliseconds(1500)), "1s500ms");
  EXPECT_EQ(FormatExactAge(absl::ZeroDuration()), "0s");
  EXPECT_EQ(*ParseAge(FormatExactAge(absl::Nanoseconds(1'000'001))), absl::Nanoseconds(1'000'001));
  EXPECT_EQ(FormatExactBytes(uint64_t{10} << 30), "10GiB");
  EXPECT_EQ(FormatExactBytes(1000), "1000");
  EXPECT_EQ(FormatExactBytes(0), "0");
}

client::ApplyResult SomeChanges() {
  using Change = client::TopologyChange;
  return {
      .changes = {{.kind = Change::Kind::kTopic,
                   .action = Change::Action::kCreate,
                   .name = "t",
                   .fields = {{.path = "partitions", .new_value = "8"}}},
                  {.kind = Change::Kind::kTopic,
                   .action = Change::Action::kUpdate,
                   .name = "u",
                   .fields = {{"retention.max_age", "\"604800s\"", ""},
                              {"retention.max_bytes", "\"1024\"", "\"2048\""},
                              {"default_durability", "", "\"DURABILITY_WRITTEN\""}}},
                  {.kind = Change::Kind::kRoute, .action = Change::Action::kDelete, .name = "r"},
                  {.kind = Change::Kind::kRoute,
                   .action = Change::Action::kUpdate,
                   .name = "s",
                   .fields = {{"target_topics", R"(["a"])", R"(["a","b"])"},
                              {"set_attributes", "",
                               R"({"a":{"string":"7"},"b":{"integer":7},"c":{"boolean":true},)"
                               R"("d":{"uri":"urn:x"}})"}}}},
      .unnamed = {{.kind = Change::Kind::kLink, .name = "l"}}};
}

TEST(CliTopologyOutput, PrintsText) {
  EXPECT_EQ(RenderApply(SomeChanges(), PlanRisks({}), kDryRun),
            "+ topic t\n"
            "    partitions: 8\n"
            "~ topic u\n"
            "    retention.max_age: 7d -> not set\n"
            "    retention.max_bytes: 1KiB -> 2KiB\n"
            "    default_durability: not set -> written\n"
            "- route r\n"
            "~ route s\n"
            "    target_topics: [a] -> [a, b]\n"
            "    set_attributes: not set -> "
            "{a: \"7\", b: 7, c: true, d: {\"uri\":\"urn:x\"}}\n"
            "left alone because no file names them: link l\n"
            "dry run, nothing was changed; would be: 1 created, 2 updated, 1 deleted\n");
  EXPECT_EQ(RenderApply({}, PlanRisks({}), kApplied), "no changes\n");
}

TEST(CliRisks, ListsRisksOfChanges) {
  const client::Topic topic{.partitions = 2,
                            .max_age = absl::Hours(48),
                            .max_bytes = 1 << 20,
                            .keep_until_acked = true,
                            .keep_until_acked_max_bytes = 1 << 20};
  const auto risks = [&topic](auto change) {
    client::Topic to = topic;
    change(to);
    return RisksOf(topic, to);
  };
  EXPECT_THAT(risks([](client::Topic& to) {
                to.max_age = absl::InfiniteDuration();
                to.max_bytes = 0;
                to.keep_until_acked_max_bytes = 0;
                to.max_event_bytes = 10;
                to.description = "x";
              }),
              testing::IsEmpty());
  EXPECT_THAT(risks([](client::Topic& to) { to.partitions = 3; }),
              ElementsAre(HasSubstr("moves keys")));
  EXPECT_THAT(risks([](client::Topic& to) { to.max_age = absl::Hours(47); }),
              ElementsAre("deletes events appended more than 1d23h ago"));
  EXPECT_THAT(risks([](client::Topic& to) { to.max_bytes = 1 << 10; }),
              ElementsAre("deletes the oldest events beyond 1KiB"));
  // Nothing is deleted, but it accepts no more events.
  EXPECT_THAT(risks([](client::Topic& to) {
                to.max_bytes = 1 << 10;
                to.refuse_when_full = true;
              }),
              testing::IsEmpty());
  EXPECT_THAT(risks([](client::Topic& to) { to.keep_until_acked = false; }),
              ElementsAre(HasSubstr("have not acked yet")));
  EXPECT_THAT(risks([](client::Topic& to) { to.keep_until_acked_max_bytes = 5; }),
              ElementsAre(HasSubstr("have not acked yet")));
  EXPECT_THAT(risks([](client::Topic& to) { to.keep_nothing = true; }),
              ElementsAre("deletes all its events"));
  EXPECT_THAT(RisksOf(client::Subscription{}, client::Subscription{.expire_after = absl::Hours(1)}),
              ElementsAre(HasSubstr("no consumer was connected for 1h")));
  EXPECT_THAT(RisksOf(client::Route{}, client::Route{.partition_key = client::RouteKey::None()}),
              ElementsAre(HasSubstr("moves keys")));
  EXPECT_THAT(RisksOf(client::Route{}, client::Route{.target_topics = {"x"}}), testing::IsEmpty());
}

TEST(CliRisks, ListsRisksOfPlan) {
  using Change = client::TopologyChange;
  const PlanRisks plan(client::Topology().Add(
      client::Topic{.name = "full", .max_bytes = 1 << 10, .refuse_when_full = true}));
  const auto risks = [&plan](Change::Kind kind, std::string name, client::FieldChange field) {
    return plan.Of({.kind = kind,
                    .action = Change::Action::kUpdate,
                    .name = std::move(name),
                    .fields = {std::move(field)}});
  };
  const client::FieldChange smaller{"retention.max_bytes", R"("2048")", R"("1024")"};
  EXPECT_THAT(risks(Change::Kind::kTopic, "other", smaller),
              ElementsAre("deletes the oldest events beyond 1KiB"));
  EXPECT_THAT(risks(Change::Kind::kTopic, "full", smaller), testing::IsEmpty());
  EXPECT_THAT(risks(Change::Kind::kTopic, "t", {"retention.max_age", "", R"("60s")"}),
              ElementsAre("deletes events appended more than 1m ago"));
  EXPECT_THAT(risks(Change::Kind::kSubscription, "s", {"expire_after", "", R"("3600s")"}),
              ElementsAre(HasSubstr("for 1h")));
  EXPECT_THAT(risks(Change::Kind::kRoute, "r", {"partition_key.none", "", "true"}),
              ElementsAre(HasSubstr("moves keys")));
  EXPECT_THAT(risks(Change::Kind::kLink, "l", {"partition_key.none", "", "true"}),
              testing::IsEmpty());
}

TEST(CliTopologyOutput, PrintsJson) {
  const Json json = ApplyJson(SomeChanges(), PlanRisks({}), /*dry_run=*/true);
  EXPECT_EQ(json["changes"][1]["fields"][0]["old"], "604800s");
  EXPECT_TRUE(json["changes"][1]["fields"][0]["new"].is_null());
  EXPECT_EQ(json["changes"][2]["action"], "delete");
  EXPECT_EQ(json["unnamed"][0]["name"], "l");
  EXPECT_TRUE(json["error"].is_null());
}

}  // namespace
}  // namespace eventhub::cli
