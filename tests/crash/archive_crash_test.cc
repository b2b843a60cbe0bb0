// The daemon is killed with SIGKILL while topics are published to and archived: the lake has each
// event of the log exactly once, at its offset, and each acknowledged event of a topic whose
// retention deletes them.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run, EVENTHUB_TEST_CRASH_ROUNDS makes it longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/object/event_line.h"
#include "server/lake/object/object_reader.h"
#include "server/lake/store/directory_store.h"
#include "tests/crash/crash_rounds.h"
#include "tests/support/env_number.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/hub_process.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

// By partition and offset.
using Ids = std::map<std::pair<uint32_t, int64_t>, std::string>;

// Everything that the manifest of a topic lists.
Ids ReadLake(const std::string& directory, const std::string& topic) {
  Ids ids;
  const auto store = lake::DirectoryStore::Open(directory, lake::DirectoryStore::Mode::kRead);
  if (!store.ok()) {
    ADD_FAILURE() << store.status();
    return ids;
  }
  const auto catalog = lake::Catalog::Load(**store);
  const lake::CatalogEntry* const entry = catalog.ok() ? catalog->FindName(topic) : nullptr;
  if (entry == nullptr) {
    ADD_FAILURE() << "the catalog lacks " << topic << ": " << catalog.status();
    return ids;
  }
  const auto manifest = lake::Manifest::Load(**store, entry->topic);
  if (!manifest.ok()) {
    ADD_FAILURE() << manifest.status();
    return ids;
  }
  EXPECT_TRUE(manifest->skipped().empty());
  for (const auto& [sequence, record] : manifest->objects()) {
    const std::string name = lake::ObjectName(entry->topic, record);
    auto reader = lake::ObjectReader::Open(**store, name, record.bytes(), record.tail_bytes());
    if (!reader.ok()) {
      ADD_FAILURE() << reader.status();
      continue;
    }
    for (int i = 0; i < reader->index().frames_size(); ++i) {
      auto frame = reader->ReadFrame(i);
      if (!frame.ok()) {
        ADD_FAILURE() << frame.status();
        break;
      }
      for (absl::string_view line; frame->Next(&line);) {
        const auto position = lake::PositionOf(line);
        const auto event = lake::EventOf(line);
        if (!position.has_value() || !event.ok()) {
          ADD_FAILURE() << name << ": " << line;
          continue;
        }
        EXPECT_TRUE(
            ids.emplace(std::pair(position->partition, position->offset), event->id()).second)
            << "twice: " << event->id();
      }
    }
  }
  return ids;
}

Ids ReadLog(HubClient& client, const std::string& topic) {
  Ids ids;
  const ReadOutcome outcome = ReadAll(client, ReadOf(topic));
  EXPECT_THAT(outcome.status, IsOk());
  for (const v1::ReadResponse& response : outcome.responses) {
    for (const v1::EventBatch& batch : response.batches()) {
      for (int i = 0; i < batch.events_size(); ++i) {
        ids[{batch.partition(), batch.base_offset() + i}] = batch.events(i).id();
      }
    }
  }
  return ids;
}

v1::GetTopicResponse GetTopic(HubClient& client, const std::string& name) {
  v1::GetTopicRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  v1::GetTopicResponse response;
  EXPECT_THAT(client.admin().GetTopic(&context, request, &response), IsOk());
  return response;
}

// Publishes until the hub dies; remembers what was acknowledged.
class Publisher {
 public:
  explicit Publisher(uint64_t seed) : random_(seed) {}

  void Run(const std::string& address) {
    HubClient client(address);
    while (PublishSome(client)) {
    }
  }
  const std::set<std::string>& acknowledged() const { return acknowledged_; }

 private:
  bool PublishSome(HubClient& client) {
    v1::PublishRequest request;
    request.set_topic(random_() % 2 == 0 ? "kept" : "short");
    request.set_durability(v1::DURABILITY_WRITTEN);
    std::vector<std::string> ids;
    for (uint64_t i = 1 + random_() % 100; i > 0; --i) {
      ids.push_back(absl::StrCat("e", ++last_));
      *request.add_events() =
          MakeEvent(ids.back(), std::string(random_() % 2000, 'x'), absl::StrCat(random_() % 50));
    }
    if (!TryPublish(client, request).status.ok()) return false;
    if (request.topic() == "short") acknowledged_.insert(ids.begin(), ids.end());
    return true;
  }

  std::mt19937_64 random_;
  int last_ = 0;
  std::set<std::string> acknowledged_;  // Of the topic `short`.
};

TEST(ArchiveCrashTest, TheLakeHasEachEventOnce) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()());
  CrashRounds rounds(6);
  std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  TempDirectory directory;
  const std::string lake = directory.path() + "/lake";
  HubProcess hub(directory.path(), {"--write_buffer=1MiB", "--retention_interval=20ms",
                                    absl::StrCat("--lake=", lake), "--lake_flush_interval=1ms"});
  hub.Start();
  {
    HubClient client(hub.address());
    CreateTopic(client, "kept", 2);
    v1::Topic topic;
    topic.set_name("short");
    topic.set_partitions(2);
    topic.mutable_retention()->mutable_max_age()->set_seconds(1);
    CreateTopic(client, topic);
  }
  Publisher publisher(random());
  while (rounds.Next()) {
    std::thread thread([&] { publisher.Run(hub.address()); });
    {
      // Each life of the hub archives something.
      HubClient client(hub.address());
      const uint64_t before = GetTopic(client, "kept").archive().objects();
      EXPECT_TRUE(
          Eventually([&] { return GetTopic(client, "kept").archive().objects() > before + 1; }));
    }
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 500));
    hub.Kill();
    thread.join();
    hub.Start();
  }
  HubClient client(hub.address());
  for (const char* name : {"kept", "short"}) {
    ASSERT_TRUE(Eventually([&] { return GetTopic(client, name).archive().lag_events() == 0; }));
    EXPECT_EQ(GetTopic(client, name).archive().missing_events(), 0u);
  }
  const Ids kept = ReadLake(lake, "kept");
  EXPECT_EQ(kept, ReadLog(client, "kept"));
  const Ids all = ReadLake(lake, "short");
  std::set<std::string> ids;
  std::map<uint32_t, int64_t> next;
  for (const auto& [place, id] : all) {
    EXPECT_EQ(place.second, next[place.first]++) << "a gap";
    EXPECT_TRUE(ids.insert(id).second) << "twice: " << id;
  }
  for (const std::string& id : publisher.acknowledged()) {
    EXPECT_TRUE(ids.contains(id)) << "lost: " << id;
  }
  EXPECT_TRUE(Eventually([&] { return GetTopic(client, "short").stats().events() == 0; }))
      << "retention goes on";
  std::cout << kept.size() + all.size() << " events in "
            << GetTopic(client, "kept").archive().objects() +
                   GetTopic(client, "short").archive().objects()
            << " objects, " << rounds.begun() << " crashes" << std::endl;
  hub.Terminate();
  EXPECT_EQ(hub.Wait(), 0);
}

}  // namespace
}  // namespace eventhub
