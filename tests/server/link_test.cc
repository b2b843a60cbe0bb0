// Links in the core: their administration, and the commit that advances one.
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/link/hub_path.h"
#include "tests/server/broker_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using v1::ErrorDetail;

v1::Link MakeLink(const std::string& name = "link") {
  v1::Link link;
  link.set_name(name);
  link.set_remote_address("remote:7070");
  link.set_remote_topic("out");
  link.set_local_topic("in");
  return link;
}

class LinksTest : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    ASSERT_THAT(rig_.Create("in"), IsOk());
  }

  Links& links() { return rig_.broker().links(); }

  absl::StatusOr<v1::Link> Create(const v1::Link& link) {
    v1::CreateLinkRequest request;
    *request.mutable_link() = link;
    std::promise<absl::StatusOr<v1::Link>> done;
    links().Create(kTester, request,
                   [&](absl::StatusOr<v1::Link> outcome) { done.set_value(outcome); });
    return done.get_future().get();
  }
  absl::StatusOr<v1::Link> Update(const v1::Link& link, const std::vector<std::string>& mask) {
    v1::UpdateLinkRequest request;
    *request.mutable_link() = link;
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    std::promise<absl::StatusOr<v1::Link>> done;
    links().Update(kTester, request,
                   [&](absl::StatusOr<v1::Link> outcome) { done.set_value(outcome); });
    return done.get_future().get();
  }
  absl::Status Delete(const std::string& name) {
    std::promise<absl::Status> done;
    links().Delete(kTester, name,
                   [&](absl::Status outcome) { done.set_value(std::move(outcome)); });
    return done.get_future().get();
  }
  absl::Status Submit(LinkStep step) {
    std::promise<absl::Status> done;
    links().Submit(kTester, std::move(step),
                   [&](const absl::Status& outcome) { done.set_value(outcome); });
    return done.get_future().get();
  }
  // A step in partition 0 with events of these ids.
  LinkStep StepOf(std::optional<int64_t> from, int64_t to, const std::vector<std::string>& ids) {
    LinkStep step;
    step.link = links().catalog().Find("link");
    step.generation = step.link->generation();
    LinkMove move;
    move.from = from;
    move.to = to;
    std::string events;
    for (const std::string& id : ids) events += EncodeEvent(MakeEvent(id));
    move.events = SharedBytes::Copy(events);
    step.moves.push_back(std::move(move));
    return step;
  }
  v1::LinkStatus Status() { return links().Get(kTester, "link")->status(); }
  std::vector<std::string> Ids() { return rig_.Read("in")->Ids(); }
  void Invalid(const v1::Link& link, const std::string& field) {
    const absl::Status status = Create(link).status();
    EXPECT_THAT(status, Refused(StatusCode::kInvalidArgument, ErrorDetail::REASON_INVALID_FIELD));
    EXPECT_EQ(DetailOf(status)->field(), field) << status;
  }
};

TEST_F(LinksTest, HubIdIsPersistentAndUnique) {
  const std::string id = rig_.broker().GetStats(kTester).hub_id();
  EXPECT_EQ(id.size(), 32u);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  rig_.Reopen();
  EXPECT_EQ(rig_.broker().GetStats(kTester).hub_id(), id);
  BrokerRig other;
  ASSERT_THAT(other.Open(), IsOk());
  EXPECT_NE(other.broker().GetStats(kTester).hub_id(), id);
}

TEST_F(LinksTest, ValidatesFields) {
  v1::Link link = MakeLink("no name");
  Invalid(link, "link.name");
  for (const char* address : {"", "host", ":7070", "host:0", "host:70700", "host:port",
                              "http://host:7070", "host:7070/", "unix:", "ho st:7070"}) {
    link = MakeLink();
    link.set_remote_address(address);
    Invalid(link, "link.remote_address");
  }
  link = MakeLink();
  link.set_remote_topic("");
  Invalid(link, "link.remote_topic");
  link = MakeLink();
  link.set_local_topic("");
  Invalid(link, "link.local_topic");
  link = MakeLink();
  link.mutable_filter()->set_sql("1 +");
  Invalid(link, "link.filter.sql");
  link = MakeLink();
  link.mutable_start()->set_offset(-1);
  Invalid(link, "link.start.offset");
  link = MakeLink();
  link.mutable_start()->mutable_timestamp()->set_nanos(-1);
  Invalid(link, "link.start.timestamp");
  link = MakeLink();
  link.set_description(std::string(1025, 'x'));
  Invalid(link, "link.description");
  // At the maximum depth; with the link's condition the filter is too deep.
  link = MakeLink();
  v1::Filter* filter = link.mutable_filter();
  for (int depth = 1; depth < 16; ++depth) filter = filter->mutable_negation();
  filter->set_sql("TRUE");
  Invalid(link, "link.filter");
  link = MakeLink();
  link.set_local_topic("none");
  EXPECT_THAT(Create(link), Refused(StatusCode::kNotFound, ErrorDetail::REASON_TOPIC_NOT_FOUND));
}

TEST_F(LinksTest, AreLimited) {
  for (size_t i = 0; i < LinkCatalog::kMaxLinks; ++i) {
    ASSERT_THAT(Create(MakeLink(absl::StrCat("link-", i))), IsOk());
  }
  EXPECT_THAT(Create(MakeLink("more")),
              Refused(StatusCode::kResourceExhausted, ErrorDetail::REASON_TOO_MANY_LINKS));
  EXPECT_THAT(Create(MakeLink("link-0")),
              Refused(StatusCode::kAlreadyExists, ErrorDetail::REASON_LINK_EXISTS));
  rig_.Reopen();
  EXPECT_THAT(Create(MakeLink("more")),
              Refused(StatusCode::kResourceExhausted, ErrorDetail::REASON_TOO_MANY_LINKS));
  ASSERT_THAT(Delete("link-0"), IsOk());
  EXPECT_THAT(Create(MakeLink("more")), IsOk());
}

TEST_F(LinksTest, LifecycleSurvivesRestarts) {
  ASSERT_OK_AND_ASSIGN(const v1::Link created, Create(MakeLink()));
  EXPECT_TRUE(created.start().earliest());
  EXPECT_TRUE(created.has_create_time());
  EXPECT_THAT(Create(MakeLink()),
              Refused(StatusCode::kAlreadyExists, ErrorDetail::REASON_LINK_EXISTS));
  ASSERT_THAT(Create(MakeLink("another")), IsOk());
  v1::Link change = MakeLink();
  change.set_description("new");
  change.set_disabled(true);
  ASSERT_THAT(Update(change, {"description", "disabled"}), IsOk());
  rig_.Reopen();
  v1::ListLinksRequest list;
  list.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(v1::ListLinksResponse page, links().List(kTester, list));
  ASSERT_THAT(page.links(), SizeIs(1));
  EXPECT_EQ(page.links(0).name(), "another");
  EXPECT_EQ(page.statuses(0).state(), v1::LinkStatus::STATE_CONNECTING);
  list.set_page_token(page.next_page_token());
  ASSERT_OK_AND_ASSIGN(page, links().List(kTester, list));
  EXPECT_EQ(page.links(0).description(), "new");
  EXPECT_EQ(page.statuses(0).state(), v1::LinkStatus::STATE_DISABLED);
  EXPECT_THAT(page.next_page_token(), IsEmpty());
  ASSERT_THAT(Delete("link"), IsOk());
  EXPECT_THAT(Delete("link"), Refused(StatusCode::kNotFound, ErrorDetail::REASON_LINK_NOT_FOUND));
  rig_.Reopen();
  EXPECT_THAT(links().Get(kTester, "link"),
              Refused(StatusCode::kNotFound, ErrorDetail::REASON_LINK_NOT_FOUND));
  EXPECT_THAT(links().Get(kTester, "another"), IsOk());
}

TEST_F(LinksTest, RejectsUpdatesOfImmutableFields) {
  ASSERT_THAT(Create(MakeLink()), IsOk());
  for (const std::vector<std::string>& mask :
       {std::vector<std::string>{}, {"name"}, {"local_topic"}, {"start"}, {"nonsense"}}) {
    const absl::Status status = Update(MakeLink(), mask).status();
    EXPECT_THAT(status, Refused(StatusCode::kInvalidArgument, ErrorDetail::REASON_INVALID_FIELD));
    EXPECT_EQ(DetailOf(status)->field(), "update_mask");
  }
  v1::Link link = MakeLink();
  link.set_remote_address("");
  EXPECT_EQ(DetailOf(Update(link, {"remote_address"}).status())->field(), "link.remote_address");
  EXPECT_THAT(Update(MakeLink("none"), {"disabled"}),
              Refused(StatusCode::kNotFound, ErrorDetail::REASON_LINK_NOT_FOUND));
}

TEST_F(LinksTest, StepAppendsAndAdvancesAtomically) {
  ASSERT_THAT(Create(MakeLink()), IsOk());
  LinkStep step = StepOf(std::nullopt, 7, {"a", "b"});
  step.started = true;
  step.moves[0].lost_events = 3;
  ASSERT_THAT(Submit(std::move(step)), IsOk());
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
  rig_.Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
  EXPECT_EQ(Status().lost_events(), 3u);
  ASSERT_THAT(Status().positions(), SizeIs(1));
  EXPECT_EQ(Status().positions(0).offset(), 7);
  EXPECT_TRUE(links().catalog().Find("link")->state().record.started());
}

TEST_F(LinksTest, RejectsStepFromStalePosition) {
  ASSERT_THAT(Create(MakeLink()), IsOk());
  EXPECT_TRUE(absl::IsAborted(Submit(StepOf(0, 1, {"x"}))));  // It had no position yet.
  ASSERT_THAT(Submit(StepOf(std::nullopt, 1, {"a"})), IsOk());
  EXPECT_TRUE(absl::IsAborted(Submit(StepOf(std::nullopt, 1, {"a"}))));
  EXPECT_TRUE(absl::IsAborted(Submit(StepOf(0, 1, {"a"}))));
  EXPECT_TRUE(absl::IsAborted(Submit(StepOf(2, 3, {"c"}))));
  ASSERT_THAT(Submit(StepOf(1, 2, {"b"})), IsOk());
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
}

TEST_F(LinksTest, StepMayAdvancePartitionRepeatedly) {
  ASSERT_THAT(Create(MakeLink()), IsOk());
  LinkStep step = StepOf(std::nullopt, 1, {"a"});
  step.moves.push_back(StepOf(1, 4, {"b"}).moves[0]);
  step.moves.push_back(StepOf(4, 6, {}).moves[0]);
  ASSERT_THAT(Submit(std::move(step)), IsOk());
  EXPECT_EQ(Status().positions(0).offset(), 6);
  LinkStep gap = StepOf(6, 7, {"c"});
  gap.moves.push_back(StepOf(8, 9, {"d"}).moves[0]);
  EXPECT_TRUE(absl::IsAborted(Submit(std::move(gap))));
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
}

TEST_F(LinksTest, RejectsStepOfChangedOrDeletedLink) {
  ASSERT_THAT(Create(MakeLink()), IsOk());
  LinkStep before = StepOf(std::nullopt, 1, {"a"});
  v1::Link change = MakeLink();
  change.set_description("changes nothing of what is read");
  ASSERT_THAT(Update(change, {"description"}), IsOk());
  EXPECT_EQ(links().catalog().Find("link")->generation(), before.generation);
  change.set_disabled(true);
  ASSERT_THAT(Update(change, {"disabled"}), IsOk());
  EXPECT_TRUE(absl::IsAborted(Submit(std::move(before))));
  LinkStep after = StepOf(std::nullopt, 1, {"a"});
  ASSERT_THAT(Delete("link"), IsOk());
  EXPECT_TRUE(absl::IsAborted(Submit(std::move(after))));
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_THAT(rig_.Delete("in"), IsOk());
}

TEST_F(LinksTest, NewOriginResetsPositionsAndKeepsCounters) {
  ASSERT_THAT(Create(MakeLink()), IsOk());
  LinkStep first = StepOf(std::nullopt, 5, {});
  first.origin = LinkOrigin{"hub", 1};
  first.moves[0].lost_events = 2;
  ASSERT_THAT(Submit(std::move(first)), IsOk());
  EXPECT_FALSE(links().catalog().Find("link")->state().record.started());
  LinkStep second = StepOf(std::nullopt, 1, {"a"});
  second.origin = LinkOrigin{"hub", 2};
  ASSERT_THAT(Submit(std::move(second)), IsOk());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Status().lost_events(), 2u);
    ASSERT_THAT(Status().positions(), SizeIs(1));
    EXPECT_EQ(Status().positions(0).offset(), 1);
    // The new topic is read from its beginning, whatever the link's start was.
    EXPECT_TRUE(links().catalog().Find("link")->state().record.started());
    EXPECT_EQ(links().catalog().Find("link")->state().origin(), (LinkOrigin{"hub", 2}));
    rig_.Reopen();
  }
}

TEST_F(LinksTest, SkipsAndCountsInvalidEvents) {
  ASSERT_THAT(Create(MakeLink()), IsOk());
  LinkStep step = StepOf(std::nullopt, 3, {"a", "", "c"});
  ASSERT_THAT(Submit(std::move(step)), IsOk());
  EXPECT_THAT(Ids(), ElementsAre("a", "c"));
  rig_.Reopen();
  EXPECT_EQ(Status().refused_events(), 1u);
}

// The remote hub may have stored them before names were checked.
TEST_F(LinksTest, AcceptsAttributesOfAnyName) {
  ASSERT_THAT(Create(MakeLink()), IsOk());
  v1::Event event = MakeEvent("a");
  (*event.mutable_attributes())["example-extension"].set_string("x");
  LinkStep step = StepOf(std::nullopt, 1, {});
  step.moves[0].events = SharedBytes::Copy(EncodeEvent(event));
  ASSERT_THAT(Submit(std::move(step)), IsOk());
  EXPECT_THAT(Ids(), ElementsAre("a"));
  EXPECT_EQ(Status().refused_events(), 0u);
}

TEST_F(LinksTest, CountsOnlyAppendedEvents) {
  v1::Topic unique;
  unique.set_name("in");
  unique.mutable_deduplication_window()->set_seconds(60);
  ASSERT_THAT(rig_.Update(unique, {"deduplication_window"}), IsOk());
  ASSERT_THAT(Create(MakeLink()), IsOk());
  ASSERT_THAT(Submit(StepOf(std::nullopt, 2, {"a", "b"})), IsOk());
  const uint64_t bytes = Status().appended_bytes();
  EXPECT_EQ(Status().appended_events(), 2u);
  // Known ones, duplicates within a move, and across moves of a step.
  LinkStep step = StepOf(2, 5, {"b", "c", "c"});
  step.moves.push_back(StepOf(5, 6, {"c"}).moves[0]);
  ASSERT_THAT(Submit(std::move(step)), IsOk());
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(Status().appended_events(), 3u);
  EXPECT_EQ(Status().appended_bytes(), bytes / 2 * 3);
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "in")->stats().duplicate_events(), 3u);
  // A step without new events still advances the link.
  ASSERT_THAT(Submit(StepOf(6, 8, {"a", "b"})), IsOk());
  EXPECT_EQ(Status().appended_events(), 3u);
  EXPECT_EQ(Status().positions(0).offset(), 8);
}

TEST_F(LinksTest, FullTopicRejectsWholeStep) {
  v1::Topic full;
  full.set_name("in");
  full.mutable_retention()->set_max_bytes(1);
  full.mutable_retention()->set_refuse_when_full(true);
  ASSERT_THAT(Create(MakeLink()), IsOk());
  ASSERT_THAT(Submit(StepOf(std::nullopt, 1, {"a"})), IsOk());
  ASSERT_THAT(rig_.Update(full, {"retention.max_bytes", "retention.refuse_when_full"}), IsOk());
  EXPECT_THAT(Submit(StepOf(1, 2, {"b"})),
              Refused(StatusCode::kResourceExhausted, ErrorDetail::REASON_TOPIC_FULL));
  EXPECT_EQ(Status().appended_events(), 1u);
  EXPECT_EQ(Status().positions(0).offset(), 1);
  // A step that appends nothing needs no space.
  ASSERT_THAT(Submit(StepOf(1, 3, {})), IsOk());
  full.mutable_retention()->set_max_bytes(10'000);
  ASSERT_THAT(rig_.Update(full, {"retention.max_bytes"}), IsOk());
  ASSERT_THAT(Submit(StepOf(3, 4, {"c"})), IsOk());
  EXPECT_THAT(Ids(), ElementsAre("a", "c"));
}

TEST(LinkMonitorTest, LagTimeIsAgeOfNewestEvent) {
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  LinkMonitor monitor(start);
  monitor.SetState(v1::LinkStatus::STATE_CATCHING_UP, "", start);
  EXPECT_FALSE(monitor.Describe(start).has_lag_time());
  const auto lag_at = [&](absl::Time now) {
    const v1::LinkStatus status = monitor.Describe(now);
    EXPECT_TRUE(status.has_lag_time());
    return absl::Seconds(status.lag_time().seconds()) +
           absl::Nanoseconds(status.lag_time().nanos());
  };
  LinkProgress progress;
  progress.append_time = start - absl::Milliseconds(1500);
  monitor.AddProgress(progress);
  EXPECT_EQ(lag_at(start), absl::Milliseconds(1500));
  EXPECT_EQ(lag_at(start + absl::Seconds(1)), absl::Milliseconds(2500));
  // Of another partition, appended earlier.
  progress.append_time = start - absl::Seconds(100);
  monitor.AddProgress(progress);
  EXPECT_EQ(lag_at(start), absl::Milliseconds(1500));
  monitor.SetState(v1::LinkStatus::STATE_BLOCKED, "full", start);
  EXPECT_EQ(lag_at(start), absl::Milliseconds(1500));
  // The remote hub's clock is ahead.
  progress.append_time = start + absl::Seconds(1);
  monitor.AddProgress(progress);
  EXPECT_EQ(lag_at(start), absl::ZeroDuration());
  monitor.SetState(v1::LinkStatus::STATE_CAUGHT_UP, "", start);
  EXPECT_FALSE(monitor.Describe(start + absl::Seconds(9)).has_lag_time());
}

TEST_F(LinksTest, TopicIsInUse) {
  ASSERT_THAT(Create(MakeLink()), IsOk());
  ASSERT_THAT(Create(MakeLink("another")), IsOk());
  const absl::Status status = rig_.Delete("in");
  EXPECT_THAT(status, Refused(StatusCode::kFailedPrecondition, ErrorDetail::REASON_TOPIC_IN_USE));
  EXPECT_THAT(status.message(), HasSubstr("another, link"));
  ASSERT_THAT(Delete("link"), IsOk());
  ASSERT_THAT(Delete("another"), IsOk());
  EXPECT_THAT(rig_.Delete("in"), IsOk());
}

TEST(HubPathTest, AddsReplacesAndFindsPath) {
  const std::string here(32, 'a');
  const std::string there(32, 'b');
  const HubPath path(there, here);
  v1::Event event = MakeEvent("1", "key", "data");
  (*event.mutable_attributes())["other"].set_integer(3);
  const auto add = [&](size_t max_bytes = 10'000) {
    std::string region;
    EXPECT_EQ(path.Add(event.SerializeAsString(), max_bytes, &region), HubPathOutcome::kAdded);
    v1::EventBatch batch;
    EXPECT_TRUE(batch.ParseFromString(region));
    return batch.events(0);
  };
  v1::Event expected = event;
  (*expected.mutable_attributes())["hubpath"].set_string(there);
  EXPECT_EQ(add().ByteSizeLong(), expected.ByteSizeLong());
  EXPECT_EQ(add().attributes().at("hubpath").string(), there);
  EXPECT_EQ(add().attributes().at("other").integer(), 3);
  EXPECT_EQ(add().data(), "data");
  // The path does not count against the limit; the rest fits exactly.
  EXPECT_EQ(add(event.ByteSizeLong()).id(), "1");
  std::string region;
  EXPECT_EQ(path.Add(event.SerializeAsString(), event.ByteSizeLong() - 1, &region),
            HubPathOutcome::kTooLarge);
  (*event.mutable_attributes())["hubpath"].set_string("cc");
  EXPECT_EQ(add().attributes().at("hubpath").string(), "cc," + there);
  (*event.mutable_attributes())["hubpath"].set_boolean(true);
  EXPECT_EQ(add().attributes().at("hubpath").string(), there);
  (*event.mutable_attributes())["hubpath"].set_string("cc," + here + ",dd");
  EXPECT_EQ(path.Add(event.SerializeAsString(), 10'000, &region), HubPathOutcome::kLooped);
  (*event.mutable_attributes())["hubpath"].set_string(here + "x");
  EXPECT_EQ(path.Add(event.SerializeAsString(), 10'000, &region), HubPathOutcome::kAdded);
}

}  // namespace
}  // namespace eventhub
