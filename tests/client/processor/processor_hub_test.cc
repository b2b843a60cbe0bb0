// Processors with the real hub: exactly once, although processes join, leave, fail and are killed.

#include <signal.h>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/processor/views/view_core.h"
#include "eventhub/admin_client.h"
#include "eventhub/fault_client.h"
#include "eventhub/processor/processor.h"
#include "eventhub/processor/rocksdb_view.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "eventhub/subscription_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/mutex.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_process.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_hub.h"

namespace eventhub::processor {
namespace {

using client::AdminClient;
using client::Connection;
using client::Publisher;
using client::ReceivedEvent;
using client::StartPosition;
using client::SubscriptionClient;
using client::SubscriptionKind;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(60);
constexpr int kKeys = 7;

struct Number {
  int value = 0;
};

void CreateTopics(const std::shared_ptr<Connection>& hub, SubscriptionKind kind) {
  AdminClient admin(hub);
  ASSERT_TRUE(admin.CreateTopic({.name = "in", .partitions = 4}).ok());
  ASSERT_TRUE(admin.CreateTopic({.name = "out", .partitions = 2}).ok());
  const auto created = SubscriptionClient(hub).CreateSubscription(
      {.name = "s",
       .topic = "in",
       .kind = kind,
       .retry_policy = {.min_backoff = absl::Milliseconds(1),
                        .max_backoff = absl::Milliseconds(2)}},
      StartPosition::Earliest());
  ASSERT_TRUE(created.ok()) << created.status();
}

// Publishes the numbers from `first` to before `end`.
void Publish(const std::shared_ptr<Connection>& hub, int first, int end) {
  auto publisher = Publisher::Create(hub, {.topic = "in", .linger = absl::Milliseconds(1)});
  ASSERT_TRUE(publisher.ok());
  for (int i = first; i < end; ++i) {
    v1::Event event;
    event.set_id(absl::StrCat(i));
    event.set_source("/test");
    event.set_type("number");
    event.set_partition_key(absl::StrCat(i % kKeys));
    ASSERT_TRUE((*publisher)->Publish(event).ok());
  }
  ASSERT_TRUE((*publisher)->Flush(kLong).ok());
}

// The events published to `out`, by type.
std::map<std::string, std::vector<int>> ReadOut(const std::shared_ptr<Connection>& hub) {
  std::map<std::string, std::vector<int>> numbers;
  auto reader = client::Reader::Create(hub, {.topic = "out"});
  EXPECT_TRUE(reader.ok());
  for (;;) {
    const auto batch = (*reader)->Next(kLong);
    EXPECT_TRUE(batch.ok()) << batch.status();
    if (!batch.ok() || batch->done()) return numbers;
    v1::Event event;
    for (const ReceivedEvent& received : *batch) {
      EXPECT_TRUE(received.ParseTo(event).ok());
      numbers[event.type()].push_back(std::stoi(event.data()));
    }
  }
}

uint64_t Lag(const std::shared_ptr<Connection>& hub) {
  const auto description = SubscriptionClient(hub).GetSubscription("s");
  return description.ok() ? description->stats.lag_events : UINT64_MAX;
}

v1::Event Result(const char* type, int number) {
  v1::Event event;
  event.set_type(type);
  event.set_data(absl::StrCat(number));
  return event;
}

// A service that answers on its own thread, not always with success.
class Service {
 public:
  ~Service() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    change_.NotifyAll();
    thread_.join();
  }

  void Ask(int number, Reply<int> reply) {
    {
      MutexLock lock(mutex_);
      asked_.emplace_back(number, std::move(reply));
    }
    change_.NotifyAll();
  }

 private:
  void Run() {
    for (;;) {
      std::vector<std::pair<int, Reply<int>>> asked;
      {
        MutexLock lock(mutex_);
        while (asked_.empty() && !stopping_) change_.Wait(mutex_);
        if (asked_.empty()) return;
        asked.swap(asked_);
      }
      for (auto& [number, reply] : asked) {
        if (++failures_ % 5 == 0) {
          reply(absl::UnavailableError("busy"));
        } else {
          reply(number * 10);
        }
      }
    }
  }

  Mutex mutex_;
  CondVar change_;
  std::vector<std::pair<int, Reply<int>>> asked_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int failures_ = 0;
  std::thread thread_{[this] { Run(); }};
};

ProcessorOptions Rules(Service& service) {
  ProcessorOptions options{.subscription = "s", .source = "/processor"};
  options.credit = {.events = 100};
  CallOptions patient;
  patient.retry = {.initial_delay = absl::Milliseconds(1)};
  const auto parse = [](const v1::Event& event) { return Number{std::stoi(event.id())}; };
  options.pipelines = {
      Pipeline("copy").Map(parse).Publish(
          "out", [](const Number& number) { return Result("copy", number.value); }),
      Pipeline("ask")
          .Map(parse)
          .Filter([](const Number& number) { return number.value % 2 == 0; })
          .Call(
              "service",
              [&service](const Number& number, Reply<int> reply) {
                service.Ask(number.value, std::move(reply));
              },
              patient)
          .Publish("out", [](const int& answer) { return Result("ask", answer / 10); }),
  };
  return options;
}

void ExpectOnce(const std::shared_ptr<Connection>& hub, int count) {
  std::map<std::string, std::vector<int>> out = ReadOut(hub);
  std::multiset<int> copies(out["copy"].begin(), out["copy"].end());
  std::multiset<int> answers(out["ask"].begin(), out["ask"].end());
  EXPECT_EQ(copies.size(), static_cast<size_t>(count));
  EXPECT_EQ(answers.size(), static_cast<size_t>((count + 1) / 2));
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(copies.count(i), 1u) << i;
    EXPECT_EQ(answers.count(i), i % 2 == 0 ? 1u : 0u) << i;
  }
}

std::string Describe(const Processor& processor) {
  std::string text;
  const std::vector<PipelineCounters> counters = processor.counters();
  for (size_t i = 0; i < counters.size(); ++i) {
    absl::StrAppend(&text, ToString(processor.states()[i]), "; events ", counters[i].events,
                    ", in flight ", counters[i].in_flight, ", waiting ", counters[i].waiting,
                    ", emitted ", counters[i].emitted, ", lost ", counters[i].lost, ", faults ",
                    counters[i].faults, ", calls ", counters[i].calls, ", timeouts ",
                    counters[i].timeouts, "\n");
  }
  return text;
}

class ProcessorHubTest : public testing::TestWithParam<SubscriptionKind> {
 protected:
  std::unique_ptr<Processor> Start(ProcessorOptions options) {
    auto processor = Processor::Start(connection_, std::move(options));
    EXPECT_TRUE(processor.ok()) << processor.status();
    return *std::move(processor);
  }

  TestHub hub_;
  Service service_;
  const std::shared_ptr<Connection> connection_ = client::Connect(hub_.address());
};

INSTANTIATE_TEST_SUITE_P(All, ProcessorHubTest,
                         testing::Values(SubscriptionKind::kStream, SubscriptionKind::kQueue),
                         [](const auto& info) {
                           return info.param == SubscriptionKind::kStream ? "Stream" : "Queue";
                         });

TEST_P(ProcessorHubTest, ExactlyOnceWhileProcessorsComeAndGo) {
  CreateTopics(connection_, GetParam());
  Publish(connection_, 0, 1500);
  const auto steady = Start(Rules(service_));
  for (int i = 0; i < 4; ++i) {
    // Destroyed in the middle of its work.
    const auto passer_by = Start(Rules(service_));
    ASSERT_TRUE(
        Eventually([&] { return passer_by->counters()[0].emitted > 20 || Lag(connection_) == 0; }));
  }
  ASSERT_TRUE(Eventually([&] { return Lag(connection_) == 0; }));
  EXPECT_TRUE(steady->Stop(kLong).ok());
  ExpectOnce(connection_, 1500);
  EXPECT_EQ(steady->counters()[0].in_flight, 0u);
}

TEST_P(ProcessorHubTest, AStopSettlesEverythingThatWasDelivered) {
  CreateTopics(connection_, GetParam());
  Publish(connection_, 0, 300);
  const auto processor = Start(Rules(service_));
  ASSERT_TRUE(Eventually([&] { return processor->counters()[0].events > 100; }));
  EXPECT_TRUE(processor->Stop(kLong).ok());
  const uint64_t emitted = processor->counters()[0].emitted;
  EXPECT_EQ(processor->counters()[0].events, emitted);
  EXPECT_EQ(ReadOut(connection_)["copy"].size(), emitted);
  EXPECT_EQ(Lag(connection_), 300 - emitted);
}

// What is done is settled, although many answers have come meanwhile, whose units are slow.
TEST_P(ProcessorHubTest, EventsAreSettledWhileOthersAreSlow) {
  constexpr size_t kCount = 60;
  constexpr size_t kSlow = 40;
  CreateTopics(connection_, GetParam());
  Publish(connection_, 0, kCount);
  Mutex mutex;
  std::vector<Reply<void>> asked;
  std::promise<void> all_answered;
  size_t done = 0;
  bool settled = false;
  const auto rule = Pipeline("slow")
                        .InOrder(client::Order::kNone)
                        .Call("service",
                              [&](const v1::Event&, Reply<void> reply) {
                                MutexLock lock(mutex);
                                asked.push_back(std::move(reply));
                              },
                              {.parallel = kCount, .timeout = kLong})
                        .ForEach([&](const v1::Event&) {
                          ++done;
                          if (done == 1) all_answered.get_future().wait();
                          if (done != kSlow) return;
                          settled =
                              Eventually([&] { return Lag(connection_) <= kCount - kSlow / 2; });
                        });
  const auto processor = Start({.subscription = "s", .source = "/processor", .pipelines = {rule}});
  ASSERT_TRUE(Eventually([&] {
    MutexLock lock(mutex);
    return asked.size() == kCount;
  }));
  for (Reply<void>& reply : asked) reply(absl::OkStatus());
  asked.clear();
  all_answered.set_value();
  EXPECT_TRUE(processor->Stop(kLong).ok());
  EXPECT_TRUE(settled);
  EXPECT_EQ(done, kCount);
}

TEST_P(ProcessorHubTest, AFaultIsADeadLetterThatSaysWhy) {
  CreateTopics(connection_, GetParam());
  Publish(connection_, 0, 3);
  ProcessorOptions options = Rules(service_);
  options.pipelines.push_back(Pipeline("strict").ForEach([](const v1::Event& event) {
    return event.id() == "1" ? absl::InvalidArgumentError("one is odd") : absl::OkStatus();
  }));
  const auto processor = Start(options);
  ASSERT_TRUE(Eventually([&] { return Lag(connection_) == 0; }));
  std::vector<client::DeadLetter> letters;
  const absl::Status listed =
      SubscriptionClient(connection_)
          .ListDeadLetters("s", {}, /*with_data=*/false, [&](client::DeadLetter letter) {
            letters.push_back(std::move(letter));
            return true;
          });
  ASSERT_TRUE(listed.ok()) << listed;
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].event.id(), "1");
  EXPECT_THAT(letters[0].reason,
              HasSubstr("pipeline strict, step for each 1: INVALID_ARGUMENT: one is odd"));
  EXPECT_EQ(ReadOut(connection_)["copy"].size(), 3u);
}

// The work of an operator: a poison event, a fix, a resubmit.
TEST_P(ProcessorHubTest, AResubmitGoesToThePipelineThatFailed) {
  CreateTopics(connection_, GetParam());
  Publish(connection_, 0, 3);
  Mutex mutex;
  std::multiset<std::string> handled;  // Pipeline and event.
  std::atomic<bool> fixed{false};
  const auto handle = [&](const char* name) {
    return Pipeline(name).ForEach([&, name](const v1::Event& event) {
      MutexLock lock(mutex);
      if (std::string(name) == "strict" && event.id() == "1" && !fixed) {
        return absl::InvalidArgumentError("one is odd, said 4111-1111");
      }
      handled.insert(absl::StrCat(name, event.id()));
      return absl::OkStatus();
    });
  };
  ProcessorOptions options{.subscription = "s", .source = "/processor"};
  options.pipelines = {handle("easy"), handle("strict")};
  options.hooks.redact = [](Fault& fault) { fault.message = fault.message.substr(0, 10); };
  const auto processor = Start(options);
  ASSERT_TRUE(Eventually([&] { return Lag(connection_) == 0; }));

  client::FaultClient faults(connection_);
  const auto groups = faults.Count("", {.pipelines = {"strict"}});
  ASSERT_TRUE(groups.ok()) << groups.status();
  ASSERT_EQ(groups->size(), 1u);
  EXPECT_EQ(groups->at(0).subscription, "s");
  EXPECT_EQ(groups->at(0).processor, "/processor");
  EXPECT_EQ(groups->at(0).step, "for each 1");
  EXPECT_EQ(groups->at(0).error, "INVALID_ARGUMENT");
  EXPECT_EQ(groups->at(0).message, "one is odd");
  const auto states = [&](std::vector<client::DeadLetterState> wanted) {
    size_t count = 0;
    const absl::Status listed = faults.List("s", {.states = std::move(wanted)}, false,
                                            [&](const client::DeadLetter&) { return ++count > 0; });
    EXPECT_TRUE(listed.ok()) << listed;
    return count;
  };

  // It is not fixed yet, so it fails again, as the same fault.
  ASSERT_TRUE(faults.Resubmit("s", {}).ok());
  ASSERT_TRUE(Eventually([&] { return states({client::DeadLetterState::kFailedAgain}) == 1; }));
  fixed = true;
  const auto resubmitted = faults.Resubmit("s", {.selector = {.errors = {"INVALID_ARGUMENT"}}});
  ASSERT_TRUE(resubmitted.ok()) << resubmitted.status();
  EXPECT_EQ(resubmitted->events, 1u);
  ASSERT_TRUE(Eventually([&] { return states({client::DeadLetterState::kResolved}) == 1; }));
  EXPECT_EQ(states({}), 0u);
  EXPECT_TRUE(processor->Stop(kLong).ok());
  MutexLock lock(mutex);
  EXPECT_THAT(handled, testing::UnorderedElementsAre("easy0", "easy1", "easy2", "strict0",
                                                     "strict1", "strict2"));
}

TEST(ProcessorTest, RefusesOptionsByName) {
  const auto hub = client::Connect("unix:/nobody/there");
  const auto start = [&](ProcessorOptions options) {
    return Processor::Start(hub, std::move(options)).status().ToString();
  };
  const AnyPipeline pipeline = Pipeline("p");
  EXPECT_THAT(start({.source = "/s", .pipelines = {pipeline}}), HasSubstr("subscription"));
  EXPECT_THAT(start({.subscription = "s", .pipelines = {pipeline}}), HasSubstr("source"));
  EXPECT_THAT(start({.subscription = "s", .source = "/s"}), HasSubstr("pipelines"));
  EXPECT_THAT(start({.subscription = "s", .source = "/s", .pipelines = {pipeline, pipeline}}),
              HasSubstr("two pipelines have the id p"));
  EXPECT_THAT(start({.subscription = "s", .source = "/s", .pipelines = {Pipeline("a b")}}),
              HasSubstr("the id of pipeline 'a b'"));
  const auto grouping = [](const char* id) {
    return Pipeline(id).Compact([](const v1::Event& event) { return event.partition_key(); });
  };
  EXPECT_THAT(
      start({.subscription = "s", .source = "/s", .pipelines = {grouping("one"), grouping("two")}}),
      HasSubstr("pipeline two: another pipeline has a GroupBy or Compact"));
  EXPECT_THAT(start({.subscription = "s",
                     .source = "/s",
                     .pipelines = {Pipeline("p").On(client::Filter::Sql("id ="))}}),
              HasSubstr("pipeline p: on.sql"));
}

TEST(ProcessorTest, AnEndIsTold) {
  TestHub hub;
  const auto connection = client::Connect(hub.address());
  CreateTopics(connection, SubscriptionKind::kQueue);
  ProcessorOptions options{
      .subscription = "s", .source = "/processor", .pipelines = {Pipeline("p")}};
  auto processor = Processor::Start(connection, options);
  ASSERT_TRUE(processor.ok());
  ASSERT_TRUE(SubscriptionClient(connection).DeleteSubscription("s").ok());
  EXPECT_EQ((*processor)->Wait(kLong).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Eventually([&] {
    const PipelineState state = (*processor)->states()[0];
    return state.kind == PipelineState::Kind::kBroken && state.what == "subscription";
  }));
}

TEST(ProcessorTest, ASignalEndsItWithoutWaitingForGroupsToFill) {
  TestHub hub;
  const auto connection = client::Connect(hub.address());
  CreateTopics(connection, SubscriptionKind::kStream);
  Publish(connection, 0, 10);
  auto status = std::async(std::launch::async, [&] {
    return Processor::RunUntilSignal(
        connection, {.subscription = "s",
                     .source = "/processor",
                     .pipelines = {Pipeline("p").GroupBy(
                         [](const v1::Event& event) { return event.partition_key(); },
                         {.wait = absl::Hours(1)})}});
  });
  ASSERT_TRUE(Eventually([&] {
    const auto description = SubscriptionClient(connection).GetSubscription("s");
    return description.ok() && description->stats.in_flight_events == 10;
  }));
  // It handles signals once it has started.
  ASSERT_TRUE(Eventually([] {
    struct sigaction action;
    sigaction(SIGTERM, nullptr, &action);
    return action.sa_handler != SIG_DFL;
  }));
  raise(SIGTERM);
  EXPECT_TRUE(status.get().ok());
  EXPECT_EQ(Lag(connection), 0u);
}

TEST(ProcessorTest, ExactlyOnceThoughTheHubIsKilled) {
  const TempDirectory directory;
  const std::string socket = "unix:" + directory.path() + "/hub";
  HubProcess hub(directory.path(), {"--listen=" + socket});
  hub.Start();
  Service service;
  const auto connection = client::Connect(socket);
  CreateTopics(connection, SubscriptionKind::kStream);
  std::vector<PipelineState::Kind> states;
  Mutex mutex;
  ProcessorOptions options = Rules(service);
  options.hooks.on_state = [&](const std::string&, const PipelineState& state) {
    MutexLock lock(mutex);
    states.push_back(state.kind);
  };
  auto processor = Processor::Start(connection, options);
  ASSERT_TRUE(processor.ok());
  for (int round = 0; round < 3; ++round) {
    Publish(connection, round * 300, (round + 1) * 300);
    ASSERT_TRUE(Eventually([&] {
      return (*processor)->counters()[0].emitted > static_cast<uint64_t>(round * 300 + 50);
    })) << Describe(**processor);
    hub.Kill();
    hub.Start();
  }
  ASSERT_TRUE(Eventually([&] { return Lag(connection) == 0; })) << Describe(**processor);
  ExpectOnce(connection, 900);
  // The answer to the last transaction may still be on its way.
  EXPECT_TRUE(Eventually([&] {
    return (*processor)->states()[0].kind == PipelineState::Kind::kRunning;
  })) << Describe(**processor);
  {
    MutexLock lock(mutex);
    EXPECT_THAT(states, testing::Contains(PipelineState::Kind::kWaiting));
  }
  EXPECT_TRUE((*processor)->Stop(kLong).ok());
}

std::shared_ptr<View> OpenLatest(const std::string& directory,
                                 OnRewind on_rewind = OnRewind::kReapply) {
  auto view = OpenRocksdbView({.directory = directory,
                               .view = {.name = "latest",
                                        .columns = {{"number", ColumnType::kInteger}},
                                        .on_rewind = on_rewind}});
  EXPECT_TRUE(view.ok()) << view.status();
  return *std::move(view);
}

ProcessorOptions Latest(std::shared_ptr<View> view) {
  return {.subscription = "s",
          .source = "/processor",
          .pipelines = {Pipeline("latest").Materialize(
              std::move(view),
              [](const v1::Event& event) {
                return Row{.key = event.partition_key(),
                           .values = {int64_t{std::stoi(event.id())}}};
              })},
          .credit = {.events = 50}};
}

std::map<std::string, int64_t> RowsOf(const View& view) {
  std::map<std::string, int64_t> rows;
  const absl::Status read =
      view.ForEach([&](std::string_view key, const std::vector<Value>& values) {
        rows.emplace(key, std::get<int64_t>(values[0]));
        return true;
      });
  EXPECT_TRUE(read.ok()) << read;
  return rows;
}

// The expected rows of the view after the numbers below `end`.
std::map<std::string, int64_t> LatestOf(int end) {
  std::map<std::string, int64_t> rows;
  for (int i = 0; i < end; ++i) rows[absl::StrCat(i % kKeys)] = i;
  return rows;
}

TEST(ProcessorViewTest, ANewOwnerHasWhatItsPredecessorHad) {
  const TempDirectory directory;
  const std::string socket = "unix:" + directory.path() + "/hub";
  HubProcess hub(directory.path(), {"--listen=" + socket});
  hub.Start();
  const auto connection = client::Connect(socket);
  CreateTopics(connection, SubscriptionKind::kStream);
  Publish(connection, 0, 500);
  auto first = Processor::Start(connection, Latest(OpenLatest(directory / "first")));
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(Eventually([&] { return (*first)->counters()[0].rows > 100; }));
  hub.Kill();
  hub.Start();
  const auto view = OpenLatest(directory / "second");
  auto second = Processor::Start(connection, Latest(view));
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE(Eventually([&] { return Lag(connection) == 0; })) << Describe(**first);
  first->reset();
  // No event arrives that would inform the second one.
  EXPECT_TRUE(Eventually([&] { return RowsOf(*view) == LatestOf(500); })) << Describe(**second);
  Publish(connection, 500, 700);
  ASSERT_TRUE(Eventually([&] { return Lag(connection) == 0; })) << Describe(**second);
  EXPECT_EQ(RowsOf(*view), LatestOf(700));
  EXPECT_TRUE((*second)->Stop(kLong).ok());
}

TEST(ProcessorViewTest, ASubscriptionThatIsMovedBackRebuildsTheView) {
  const TempDirectory directory;
  TestHub hub;
  const auto connection = client::Connect(hub.address());
  CreateTopics(connection, SubscriptionKind::kStream);
  Publish(connection, 0, 300);
  const auto view = OpenLatest(directory / "view", OnRewind::kRebuild);
  auto processor = Processor::Start(connection, Latest(view));
  ASSERT_TRUE(processor.ok());
  const auto generation = [&] {
    const auto status = view->status();
    return status.ok() ? status->generation : 0;
  };
  ASSERT_TRUE(Eventually([&] { return Lag(connection) == 0; }));
  // Until the view knows that everything is settled.
  ASSERT_TRUE(Eventually([&] {
    const auto point = view->core().Resume(0, 1000, /*redelivered=*/true);
    const auto described = SubscriptionClient(connection).GetSubscription("s");
    for (const auto& partition : described->partitions) {
      if (partition.partition == 0) return point->offset == partition.end_offset;
    }
    return false;
  }));
  ASSERT_TRUE(SubscriptionClient(connection).Seek("s", {.start = StartPosition::Earliest()}).ok());
  EXPECT_TRUE(Eventually([&] { return generation() == 2; })) << Describe(**processor);
  EXPECT_EQ(RowsOf(*view), LatestOf(300));
  EXPECT_TRUE((*processor)->Stop(kLong).ok());
}

// Three facts of each key, but two of each fifth, and each fact twice.
void PublishFacts(const std::shared_ptr<Connection>& hub, int first, int end) {
  auto publisher = Publisher::Create(hub, {.topic = "in", .linger = absl::Milliseconds(1)});
  ASSERT_TRUE(publisher.ok());
  for (const char* const type : {"a", "b", "c", "a", "b", "c"}) {
    for (int i = first; i < end; ++i) {
      if (i % 5 == 0 && *type == 'c') continue;
      v1::Event event;
      event.set_id(absl::StrCat(type, i));
      event.set_source("/test");
      event.set_type(type);
      event.set_partition_key(absl::StrCat(i));
      ASSERT_TRUE((*publisher)->Publish(event).ok());
    }
  }
  ASSERT_TRUE((*publisher)->Flush(kLong).ok());
}

void CreateStateTopic(const std::shared_ptr<Connection>& hub) {
  const auto created = AdminClient(hub).CreateTopic(
      {.name = "state", .partitions = 2, .latest_per_key = client::LatestPerKey{}});
  ASSERT_TRUE(created.ok()) << created.status();
}

ProcessorOptions Correlates() {
  return {.subscription = "s",
          .source = "/processor",
          .pipelines = {Pipeline("three")
                            .On({"a", "b", "c"})
                            .Correlate({.state = "state", .within = absl::Seconds(1)},
                                       [](const Facts& facts) {
                                         return facts.Has("a") && facts.Has("b") && facts.Has("c");
                                       })
                            .Publish("out",
                                     [](const Correlation& correlation) {
                                       return Result(
                                           correlation.kind == Correlation::Kind::kComplete
                                               ? "complete"
                                               : "expired",
                                           std::stoi(correlation.facts.key()));
                                     })},
          .credit = {.events = 200}};
}

TEST(ProcessorStateTest, OneEndForEachKeyThoughTheHubAndProcessorsAreKilled) {
  const TempDirectory directory;
  const std::string socket = "unix:" + directory.path() + "/hub";
  HubProcess hub(directory.path(), {"--listen=" + socket});
  hub.Start();
  const auto connection = client::Connect(socket);
  CreateTopics(connection, SubscriptionKind::kStream);
  CreateStateTopic(connection);
  constexpr int kPerRound = 150;
  std::vector<std::unique_ptr<Processor>> processors(2);
  for (int round = 0; round < 2; ++round) {
    PublishFacts(connection, round * kPerRound, (round + 1) * kPerRound);
    for (std::unique_ptr<Processor>& processor : processors) {
      processor.reset();  // In the midst of its work.
      auto started = Processor::Start(connection, Correlates());
      ASSERT_TRUE(started.ok()) << started.status();
      processor = *std::move(started);
      ASSERT_TRUE(Eventually([&] {
        return processor->counters()[0].emitted > 10 || Lag(connection) == 0;
      })) << Describe(*processor);
    }
    hub.Kill();
    hub.Start();
  }
  const auto expect = [&] {
    std::map<std::string, std::vector<int>> out = ReadOut(connection);
    return out["complete"].size() + out["expired"].size() == 2 * kPerRound;
  };
  ASSERT_TRUE(Eventually(expect)) << Describe(*processors[0]) << Describe(*processors[1]);
  ASSERT_TRUE(SubscriptionClient(connection).Seek("s", {.start = StartPosition::Earliest()}).ok());
  ASSERT_TRUE(Eventually([&] { return Lag(connection) == 0; }))
      << Describe(*processors[0]) << Describe(*processors[1]);
  std::map<std::string, std::vector<int>> out = ReadOut(connection);
  const std::multiset<int> complete(out["complete"].begin(), out["complete"].end());
  const std::multiset<int> expired(out["expired"].begin(), out["expired"].end());
  for (int i = 0; i < 2 * kPerRound; ++i) {
    EXPECT_EQ(complete.count(i), i % 5 == 0 ? 0u : 1u) << i;
    EXPECT_EQ(expired.count(i), i % 5 == 0 ? 1u : 0u) << i;
  }
}

// More partitions would part keys from their state.
TEST(ProcessorStateTest, StopsIfTheTopicGetsMorePartitions) {
  TestHub hub;
  const auto connection = client::Connect(hub.address());
  CreateTopics(connection, SubscriptionKind::kStream);
  CreateStateTopic(connection);
  const auto waits = [](const Processor& processor) {
    const PipelineState state = processor.states()[0];
    return state.kind == PipelineState::Kind::kWaiting &&
           absl::StrContains(state.because, "keys have moved away from their state");
  };
  auto processor = Processor::Start(connection, Correlates());
  ASSERT_TRUE(processor.ok());
  PublishFacts(connection, 0, 5);
  ASSERT_TRUE(Eventually([&] { return Lag(connection) == 0; })) << Describe(**processor);
  AdminClient admin(connection);
  const auto before = admin.GetTopic("in");
  ASSERT_TRUE(before.ok());
  client::TopicUpdate more;
  more.partitions = before->topic.partitions + 3;
  ASSERT_TRUE(admin.UpdateTopic("in", more).ok());
  // Also one that starts later.
  PublishFacts(connection, 100, 200);
  EXPECT_TRUE(Eventually([&] { return waits(**processor); })) << Describe(**processor);
  EXPECT_GT(Lag(connection), 0u);
  processor->reset();
  processor = Processor::Start(connection, Correlates());
  ASSERT_TRUE(processor.ok());
  EXPECT_TRUE(Eventually([&] { return waits(**processor); })) << Describe(**processor);
  // Somebody gives up the state of keys that moved.
  auto publisher = Publisher::Create(connection, {.topic = "state"});
  ASSERT_TRUE(publisher.ok());
  v1::Event forget;
  forget.set_id("forget");
  forget.set_source("/test");
  forget.set_type("forget");
  forget.set_partition_key("three/partitions");
  ASSERT_TRUE((*publisher)->Publish(forget).ok());
  ASSERT_TRUE((*publisher)->Flush(kLong).ok());
  EXPECT_TRUE(Eventually([&] { return Lag(connection) == 0; })) << Describe(**processor);
}

TEST(ProcessorStateTest, TellsWhatStateByKeyNeeds) {
  TestHub hub;
  const auto connection = client::Connect(hub.address());
  CreateTopics(connection, SubscriptionKind::kQueue);
  Publish(connection, 0, 1);
  ProcessorOptions options = Correlates();
  options.pipelines = {
      Pipeline("p").Correlate({.state = "state"}, [](const Facts&) { return true; })};
  const auto waits_because = [&](const char* why) {
    auto processor = Processor::Start(connection, options);
    ASSERT_TRUE(processor.ok());
    EXPECT_TRUE(Eventually([&] {
      const PipelineState state = (*processor)->states()[0];
      return state.kind == PipelineState::Kind::kWaiting && absl::StrContains(state.because, why);
    })) << Describe(**processor);
  };
  waits_because("needs a STREAM subscription");
  SubscriptionClient subscriptions(connection);
  ASSERT_TRUE(subscriptions
                  .CreateSubscription({.name = "t",
                                       .topic = "in",
                                       .kind = SubscriptionKind::kStream,
                                       .filter = client::Filter::Exact({{"type", "number"}})},
                                      StartPosition::Earliest())
                  .ok());
  options.subscription = "t";
  waits_because("has to pass events of type eventhub.timer");
  ASSERT_TRUE(subscriptions.UpdateSubscription("t", {.filter = client::Filter::Sql("TRUE")}).ok());
  waits_because("state");  // There is no such topic.
  CreateStateTopic(connection);
  auto processor = Processor::Start(connection, options);
  ASSERT_TRUE(processor.ok());
  EXPECT_TRUE(Eventually([&] { return (*processor)->counters()[0].completed == 1; }))
      << Describe(**processor);
}

TEST(ProcessorStateTest, AJobGoesOnThoughTheHubAndProcessorsAreKilled) {
  const TempDirectory directory;
  const std::string socket = "unix:" + directory.path() + "/hub";
  HubProcess hub(directory.path(), {"--listen=" + socket});
  hub.Start();
  const auto connection = client::Connect(socket);
  CreateTopics(connection, SubscriptionKind::kStream);
  CreateStateTopic(connection);
  constexpr int kItems = 600;
  constexpr int kInAStep = 4;
  const ProcessorOptions options = {
      .subscription = "s",
      .source = "/processor",
      .pipelines = {Pipeline("job")
                        .On({"number"})
                        .Job({.state = "state"})
                        .Continue([](const Job& job) {
                          if (job.items + kInAStep >= kItems)
                            return JobProgress::Finished(kInAStep);
                          return JobProgress{.continuation = "on", .items = kInAStep};
                        })
                        .Publish("out", [](const Job& job) {
                          std::vector<v1::Event> events;
                          for (int i = 0; i < kInAStep; ++i) {
                            events.push_back(Result(job.start->partition_key().c_str(),
                                                    static_cast<int>(job.items) + i));
                          }
                          return events;
                        })}};
  Publish(connection, 0, 3);
  std::unique_ptr<Processor> processor;
  for (uint64_t round = 0; round < 2; ++round) {
    processor.reset();  // In the midst of a step.
    auto started = Processor::Start(connection, options);
    ASSERT_TRUE(started.ok()) << started.status();
    processor = *std::move(started);
    ASSERT_TRUE(Eventually([&] { return processor->counters()[0].emitted > 100; }))
        << Describe(*processor);
    hub.Kill();
    hub.Start();
  }
  std::map<std::string, std::vector<int>> out;
  ASSERT_TRUE(Eventually([&] {
    out = ReadOut(connection);
    return out["0"].size() + out["1"].size() + out["2"].size() >= 3 * kItems;
  })) << Describe(*processor);
  std::vector<int> all(kItems);
  std::iota(all.begin(), all.end(), 0);
  for (const char* const job : {"0", "1", "2"}) EXPECT_EQ(out[job], all) << job;
}

}  // namespace
}  // namespace eventhub::processor
