#include "tests/crash/crash_publisher.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proto/wire/event_rules.h"

namespace eventhub {
namespace {

constexpr size_t kWindow = 32;
constexpr uint64_t kKeys = 40;

}  // namespace

v1::Event EventOf(const std::string& id) {
  std::mt19937_64 random(std::hash<std::string>()(id));
  v1::Event event = MakeEvent(id, "", absl::StrCat("key-", random() % kKeys));
  // Mostly small; some large enough for the store's blob files.
  std::string data(random() % 50 == 0 ? random() % 60'000 : random() % 300, '\0');
  for (char& c : data) c = static_cast<char>(random());
  event.set_data(std::move(data));
  return event;
}

void CrashPublisher::Run(const std::string& address) {
  HubClient client(address);
  Resume();
  grpc::ClientContext context;
  const auto stream = client.hub().PublishStream(&context);
  Exchange(*stream, std::numeric_limits<int>::max());
  stream->Finish();
}

void CrashPublisher::Finish(const std::string& address, int requests) {
  HubClient client(address);
  Resume();
  grpc::ClientContext context;
  const auto stream = client.hub().PublishStream(&context);
  Exchange(*stream, requests);
  stream->WritesDone();
  EXPECT_THAT(stream->Finish(), IsOk());
  EXPECT_TRUE(unanswered_.empty());
}

// Retries unanswered requests, or gives them up.
void CrashPublisher::Resume() {
  if (unanswered_.empty() || random_() % 3 != 0) return;
  for (const Sent& sent : unanswered_) abandoned_.insert(sent.ids.begin(), sent.ids.end());
  unanswered_.clear();
  ++epoch_;
  sequence_ = 0;
}

void CrashPublisher::AddRequest() {
  Sent sent;
  sent.request.set_topic(topic_);
  sent.request.set_durability(random_() % 2 == 0 ? v1::DURABILITY_WRITTEN : v1::DURABILITY_SYNCED);
  sent.request.set_producer_id(name_);
  sent.request.set_producer_epoch(epoch_);
  sent.request.set_sequence(sequence_);
  sent.request.set_correlation_id(sequence_);
  const uint64_t events = 1 + random_() % 20;
  for (uint64_t i = 0; i < events; ++i) {
    sent.ids.push_back(absl::StrCat(name_, "/", epoch_, "/", sequence_, "/", i));
    *sent.request.add_events() = EventOf(sent.ids.back());
  }
  ++sequence_;
  unanswered_.push_back(std::move(sent));
}

void CrashPublisher::Exchange(Stream& stream, int limit) {
  size_t written = 0;  // Of the unanswered requests, on this stream.
  v1::PublishStreamResponse reply;
  for (;;) {
    while (written < kWindow && (written < unanswered_.size() || limit > 0)) {
      if (written == unanswered_.size()) {
        AddRequest();
        --limit;
      }
      if (!stream.Write(unanswered_[written].request)) return;
      ++written;
    }
    if (written == 0 || !stream.Read(&reply)) return;
    --written;
    Acknowledge(reply);
  }
}

void CrashPublisher::Acknowledge(const v1::PublishStreamResponse& reply) {
  const Sent sent = std::move(unanswered_.front());
  unanswered_.pop_front();
  ASSERT_EQ(reply.correlation_id(), sent.request.correlation_id());
  ASSERT_TRUE(reply.has_result()) << name_ << ": " << reply.error().message();
  std::map<uint32_t, int64_t> next;
  for (const v1::Placement& placement : reply.result().placements()) {
    next[placement.partition()] = placement.base_offset();
  }
  for (int i = 0; i < sent.request.events_size(); ++i) {
    const uint32_t partition =
        wire::PartitionOfKey(sent.request.events(i).partition_key(), partitions_);
    ASSERT_TRUE(next.contains(partition));
    const Place place(partition, next[partition]++);
    EXPECT_TRUE(acknowledged_.emplace(place, sent.ids[static_cast<size_t>(i)]).second)
        << "offset " << place.second << " of partition " << partition << " was given twice";
  }
}

}  // namespace eventhub
