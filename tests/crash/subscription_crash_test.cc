// Subscriptions whose hub or consumers are killed with SIGKILL under load: every event is delivered
// to each subscription, none again after its ack was confirmed; a nacked attempt counts; and an
// event that all consumers fail to process becomes a dead letter, once.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <memory>
#include <thread>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/crash/consumer_ledger.h"
#include "tests/crash/crash_consumer.h"
#include "tests/support/env_number.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_process.h"
#include "tests/support/subscription_calls.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

constexpr uint32_t kTopicPartitions = 4;
constexpr int kHubRounds = 4;
constexpr int kConsumerKills = 25;
// More deliveries than an event gets by bad luck.
constexpr uint32_t kMaxAttempts = 12;
constexpr uint32_t kManyAttempts = 1000;

class SubscriptionCrashTest : public testing::Test {
 protected:
  SubscriptionCrashTest()
      : seed_(EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()())),
        random_(seed_),
        hub_(directory_.path(), {"--write_buffer=1MiB"}),
        publisher_("p", "t", kTopicPartitions, random_()) {
    std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed_ << std::endl;
    hub_.Start();
    HubClient client(hub_.address());
    CreateTopic(client, "t", kTopicPartitions);
  }

  void Create(v1::Subscription settings, uint32_t max_attempts, v1::Durability durability) {
    settings.set_max_delivery_attempts(max_attempts);
    settings.set_ack_durability(durability);
    if (settings.kind() == v1::Subscription::KIND_QUEUE) {
      settings.mutable_ack_deadline()->set_seconds(3);
    }
    HubClient client(hub_.address());
    CreateSubscription(client, settings);
    names_.push_back(settings.name());
  }

  static ConsumerEvents EventsTo(ConsumerLedger& ledger) {
    return {[&ledger](const Place& p, uint32_t attempt) { ledger.Delivered(p, attempt); },
            [&ledger](const Place& p, uint32_t attempt) { ledger.Settled(p, attempt); },
            [&ledger](const Place& p, uint32_t attempt) { ledger.Nacked(p, attempt); }};
  }

  // Enough for some events to be poisoned.
  void PublishMore() {
    do {
      publisher_.Finish(hub_.address(), 20);
    } while (!HasFailure() && absl::c_none_of(publisher_.acknowledged(), [](const auto& one) {
      return IsPoisoned(one.second);
    }));
  }

  // Returns the contents of the topic, by position.
  std::map<Place, std::string> Contents() {
    HubClient client(hub_.address());
    std::map<Place, std::string> contents;
    const ReadOutcome outcome = ReadAll(client, ReadOf("t"));
    EXPECT_THAT(outcome.status, IsOk());
    for (const v1::ReadResponse& response : outcome.responses) {
      for (const v1::EventBatch& batch : response.batches()) {
        for (int i = 0; i < batch.events_size(); ++i) {
          contents[{batch.partition(), batch.base_offset() + i}] = batch.events(i).id();
        }
      }
    }
    for (const auto& [place, id] : publisher_.acknowledged()) EXPECT_EQ(contents[place], id);
    return contents;
  }

  bool EventuallySettled() {
    HubClient client(hub_.address());
    return Eventually([&] {
      for (const std::string& name : names_) {
        if (GetSubscription(client, name).stats().lag_events() > 0) return false;
      }
      return true;
    });
  }

  // All poisoned events, and no others, must be in the dead-letter topic, once.
  void CheckDeadLetters(const std::string& name, const std::map<Place, std::string>& contents) {
    HubClient client(hub_.address());
    std::multiset<Place> letters;
    const ReadOutcome outcome = ReadAll(client, ReadOf(name + ".dead-letters"));
    EXPECT_THAT(outcome.status, IsOk());
    for (const v1::ReadResponse& response : outcome.responses) {
      for (const v1::EventBatch& batch : response.batches()) {
        for (const v1::Event& event : batch.events()) {
          int64_t offset = -1;
          EXPECT_TRUE(
              absl::SimpleAtoi(event.attributes().at("deadletteroffset").string(), &offset));
          letters.emplace(
              static_cast<uint32_t>(event.attributes().at("deadletterpartition").integer()),
              offset);
          EXPECT_TRUE(IsPoisoned(event.id())) << name << " gave " << event.id() << " up";
        }
      }
    }
    size_t poisoned = 0;
    for (const auto& [place, id] : contents) {
      if (!IsPoisoned(id)) continue;
      ++poisoned;
      EXPECT_EQ(letters.count(place), 1u) << name << ", " << id;
    }
    EXPECT_EQ(letters.size(), poisoned) << name;
    EXPECT_EQ(GetSubscription(client, name).stats().open_dead_letters(), poisoned);
    EXPECT_GT(poisoned, 0u);
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
  TempDirectory directory_;
  HubProcess hub_;
  CrashPublisher publisher_;
  std::vector<std::string> names_;
};

TEST_F(SubscriptionCrashTest, HubCrashesLoseNoAcks) {
  Create(QueueOf("qs"), kMaxAttempts, v1::DURABILITY_SYNCED);
  Create(StreamOf("sw"), kManyAttempts, v1::DURABILITY_WRITTEN);
  Create(StreamOf("ss"), kManyAttempts, v1::DURABILITY_SYNCED);
  v1::Subscription keyed = QueueOf("kw");
  keyed.set_ordered_by_key(true);
  Create(keyed, kMaxAttempts, v1::DURABILITY_WRITTEN);
  std::vector<std::unique_ptr<ConsumerLedger>> ledgers;
  std::vector<std::unique_ptr<CrashConsumer>> consumers;
  for (const std::string& name : names_) {
    ledgers.push_back(std::make_unique<ConsumerLedger>(/*ordered=*/true));
    for (int i = 0; i < 2; ++i) {
      consumers.push_back(
          std::make_unique<CrashConsumer>(name, EventsTo(*ledgers.back()), random_()));
    }
  }
  std::vector<std::thread> threads;
  const auto run_consumers = [&] {
    for (const auto& consumer : consumers) {
      threads.emplace_back([&] {
        EXPECT_EQ(consumer->Run(hub_.address()).error_code(), grpc::StatusCode::UNAVAILABLE);
      });
    }
  };
  const auto kill = [&] {
    hub_.Kill();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  };
  for (int round = 0; round < kHubRounds && !HasFailure(); ++round) {
    run_consumers();
    threads.emplace_back([&] { publisher_.Run(hub_.address()); });
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random_() % 500));
    kill();
    hub_.Start();
  }
  PublishMore();
  run_consumers();
  EXPECT_TRUE(EventuallySettled());
  const std::map<Place, std::string> contents = Contents();
  for (size_t i = 0; i < names_.size(); ++i) {
    CheckDeadLetters(names_[i], contents);
    for (const auto& [place, id] : contents) {
      ASSERT_TRUE(ledgers[i]->WasDelivered(place)) << id << " never came to " << names_[i];
    }
    EXPECT_GT(ledgers[i]->settled(), 0u);
    std::cout << names_[i] << ": " << ledgers[i]->deliveries() << " deliveries of "
              << contents.size() << " events" << std::endl;
  }
  kill();
}

// A consumer process whose output is added to a ledger.
class ConsumerProcess {
 public:
  ConsumerProcess(const std::string& address, const std::string& subscription, uint64_t seed,
                  ConsumerLedger& ledger) {
    const std::string seed_text = absl::StrCat(seed);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(ends[1], STDOUT_FILENO);
      execl(CRASH_CONSUMER, CRASH_CONSUMER, address.c_str(), subscription.c_str(),
            seed_text.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    reader_ = std::thread([this, fd = ends[0], &ledger] { ReadLines(fd, ledger); });
  }
  ~ConsumerProcess() {
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "a consumer ended by itself, with " << WEXITSTATUS(status);
    reader_.join();
  }

  ConsumerProcess(const ConsumerProcess&) = delete;
  ConsumerProcess& operator=(const ConsumerProcess&) = delete;

  // The number of lines that it wrote.
  size_t lines() const { return lines_; }

 private:
  void ReadLines(int fd, ConsumerLedger& ledger) {
    FILE* const file = fdopen(fd, "r");
    char kind;
    unsigned partition;
    long long offset;
    unsigned attempt;
    while (std::fscanf(file, "%c %u %lld %u\n", &kind, &partition, &offset, &attempt) == 4) {
      const Place place(partition, offset);
      ++lines_;
      kind == 'D' ? ledger.Delivered(place, attempt) : ledger.Settled(place, attempt);
    }
    std::fclose(file);
  }

  pid_t pid_;
  std::atomic<size_t> lines_{0};
  std::thread reader_;
};

TEST_F(SubscriptionCrashTest, ConsumerCrashesLoseNoEvents) {
  Create(QueueOf("q"), kMaxAttempts, v1::DURABILITY_WRITTEN);
  Create(StreamOf("s"), kManyAttempts, v1::DURABILITY_WRITTEN);
  std::vector<std::unique_ptr<ConsumerLedger>> ledgers;
  std::vector<std::unique_ptr<ConsumerProcess>> processes;
  const auto start = [&](size_t subscription) {
    return std::make_unique<ConsumerProcess>(hub_.address(), names_[subscription], random_(),
                                             *ledgers[subscription]);
  };
  for (size_t s = 0; s < names_.size(); ++s) {
    ledgers.push_back(
        std::make_unique<ConsumerLedger>(/*ordered=*/false, names_[s] == "q" ? kMaxAttempts : 0));
    for (int i = 0; i < 2; ++i) processes.push_back(start(s));
  }
  std::atomic<bool> done{false};
  std::thread publishing([&] {
    while (!done) publisher_.Finish(hub_.address(), 10);
  });
  for (int k = 0; k < kConsumerKills && !HasFailure(); ++k) {
    const size_t victim = random_() % processes.size();
    // It dies in the middle of its work.
    const size_t lines = 1 + random_() % 200;
    EXPECT_TRUE(Eventually([&] { return processes[victim]->lines() >= lines; }));
    processes[victim].reset();
    processes[victim] = start(victim / 2);
  }
  done = true;
  publishing.join();
  EXPECT_TRUE(EventuallySettled());
  processes.clear();
  const std::map<Place, std::string> contents = Contents();
  for (size_t i = 0; i < names_.size(); ++i) {
    for (const auto& [place, id] : contents) {
      ASSERT_TRUE(ledgers[i]->WasDelivered(place)) << id << " never came to " << names_[i];
    }
    std::cout << names_[i] << ": " << ledgers[i]->deliveries() << " deliveries of "
              << contents.size() << " events, " << ledgers[i]->settled() << " confirmed"
              << std::endl;
  }
  for (const std::string& name : names_) CheckDeadLetters(name, contents);
}

}  // namespace
}  // namespace eventhub
