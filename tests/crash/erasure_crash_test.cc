// The daemon is killed with SIGKILL while events about subjects are published and subjects are
// erased: what was acknowledged as erased stays erased, also in a backup that is restored, an
// erasure in progress took place as a whole or not at all, and everything else can be read.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run, EVENTHUB_TEST_CRASH_ROUNDS makes it longer.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/v1/erasure.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/crash/crash_rounds.h"
#include "tests/support/env_number.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/hub_process.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

constexpr int kSubjects = 5;

std::string ClearDataOf(const std::string& id) { return "clear data of " + id; }

// Publishes and erases until the hub dies, and knows what must be the case.
class Eraser {
 public:
  explicit Eraser(uint64_t seed) : random_(seed) {}

  void Run(const std::string& address) {
    HubClient client(address);
    const auto erasures = v1::ErasureService::NewStub(client.channel());
    while (!testing::Test::HasFailure() &&
           (random_() % 4 == 0 ? Erase(*erasures) : Publish(client))) {
    }
  }

  // Compares with what the hub delivers, and learns what became of the erasure in progress.
  void Check(HubClient& client) {
    std::map<std::string, v1::Event> found;
    for (v1::Event& event : EventsOf(client)) {
      const std::string id = event.id();
      EXPECT_TRUE(found.emplace(id, std::move(event)).second) << "twice: " << id;
    }
    std::set<bool> outcomes;  // Of the erasure in progress, for each event that it concerns.
    for (auto& [id, event] : published_) {
      const auto at = found.find(id);
      if (at == found.end()) {
        ADD_FAILURE() << "lost: " << id;
        continue;
      }
      const bool erased = at->second.data().empty();
      EXPECT_EQ(erased, at->second.attributes().contains("dataerased")) << id;
      EXPECT_FALSE(at->second.attributes().contains("datasealed")) << id;
      if (!erased) {
        EXPECT_EQ(at->second.data(), ClearDataOf(id));
      }
      const bool in_doubt = !event.erased && doubtful_ == event.subject;
      if (in_doubt) {
        outcomes.insert(erased);
        event.erased = erased;
      } else {
        EXPECT_EQ(erased, event.erased) << id << " of " << event.subject;
      }
    }
    EXPECT_LE(outcomes.size(), 1u) << "an erasure took place in part";
    doubtful_.reset();
  }

  // A hub that was restored from a backup, and knows of no later erasure itself: of what was erased
  // when this object was as it is now, nothing is readable.
  void CheckBackup(HubClient& client) const {
    for (const v1::Event& event : EventsOf(client)) {
      const auto known = published_.find(event.id());
      if (known == published_.end() || !known->second.erased) continue;
      EXPECT_EQ(event.data(), "") << event.id();
      EXPECT_TRUE(event.attributes().contains("dataerased")) << event.id();
    }
  }

  int erasures() const { return erasures_; }
  size_t events() const { return published_.size(); }

 private:
  struct Published {
    std::string subject;
    bool erased = false;
  };

  static std::vector<v1::Event> EventsOf(HubClient& client) {
    std::vector<v1::Event> events;
    // Sealed data cannot be read until the lake was asked.
    ReadOutcome outcome;
    EXPECT_TRUE(Eventually([&] {
      outcome = ReadAll(client, ReadOf("t"));
      return outcome.status.error_code() != grpc::StatusCode::UNAVAILABLE;
    }));
    EXPECT_THAT(outcome.status, IsOk());
    for (const v1::ReadResponse& response : outcome.responses) {
      for (const v1::EventBatch& batch : response.batches()) {
        events.insert(events.end(), batch.events().begin(), batch.events().end());
      }
    }
    return events;
  }

  std::string AnySubject() { return absl::StrCat("subject ", random_() % kSubjects); }

  // These return false if the hub has died.
  bool Publish(HubClient& client) {
    v1::PublishRequest request;
    request.set_topic("t");
    std::map<std::string, Published> accepted;
    for (uint64_t i = 1 + random_() % 5; i > 0; --i) {
      const std::string id = absl::StrCat("e", ++last_);
      const std::string subject = AnySubject();
      v1::Event& event = *request.add_events();
      event = MakeEvent(id, ClearDataOf(id));
      (*event.mutable_attributes())["datasubject"].set_string(subject);
      accepted[id].subject = subject;
    }
    if (!TryPublish(client, request).status.ok()) return false;
    published_.merge(accepted);
    return true;
  }

  bool Erase(v1::ErasureService::Stub& erasures) {
    doubtful_ = AnySubject();
    grpc::ClientContext context;
    v1::EraseSubjectRequest request;
    v1::EraseSubjectResponse response;
    request.set_subject(*doubtful_);
    const grpc::Status status = erasures.EraseSubject(&context, request, &response);
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return false;
    EXPECT_THAT(status, IsOk());
    for (auto& [id, event] : published_) event.erased |= event.subject == *doubtful_;
    doubtful_.reset();
    ++erasures_;
    return status.ok();
  }

  std::mt19937_64 random_;
  int last_ = 0;
  int erasures_ = 0;
  std::map<std::string, Published> published_;  // Acknowledged, by id.
  std::optional<std::string> doubtful_;         // The subject whose erasure was in progress.
};

TEST(ErasureCrashTest, ErasedDataStaysErased) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()());
  CrashRounds rounds(6);
  std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  TempDirectory directory;
  const std::string keys = directory / "keys";
  std::ofstream(keys) << std::string(64, '7') << "\n";
  const std::vector<std::string> flags = {
      "--write_buffer=1MiB", absl::StrCat("--lake=", directory / "lake"),
      "--lake_flush_interval=1ms", absl::StrCat("--erasure_master_key_file=", keys)};
  std::filesystem::create_directory(directory / "hub");
  std::filesystem::create_directory(directory / "backup");
  HubProcess hub(directory / "hub", flags);
  hub.Start();
  {
    HubClient client(hub.address());
    v1::Topic topic;
    topic.set_name("t");
    topic.set_partitions(2);
    topic.set_erasable(true);
    CreateTopic(client, topic);
  }
  Eraser eraser(random());
  while (rounds.Next(eraser.events() > 0)) {
    std::thread thread([&] { eraser.Run(hub.address()); });
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 500));
    hub.Kill();
    thread.join();
    if (rounds.begun() == (rounds.planned() + 1) / 2) {
      std::filesystem::copy(directory / "hub", directory / "backup",
                            std::filesystem::copy_options::recursive);
    }
    hub.Start();
    HubClient client(hub.address());
    eraser.Check(client);
  }
  hub.Kill();
  HubProcess backup(directory / "backup", flags);
  backup.Start();
  HubClient client(backup.address());
  eraser.CheckBackup(client);
  std::cout << eraser.events() << " events, " << eraser.erasures() << " erasures, "
            << rounds.begun() << " crashes" << std::endl;
}

}  // namespace
}  // namespace eventhub
