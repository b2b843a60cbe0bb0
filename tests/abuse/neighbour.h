// A well-behaved client next to malicious ones, which measures how much they disturb it.
//
// It is on a host of its own: the hub keeps a part of everything for other hosts, and promises
// nothing to a client whose own host takes too much.
#pragma once

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/abuse/loopback.h"
#include "tests/support/hub_calls.h"

namespace eventhub::abuse {

// Publishes an event and reads it back, over one connection, from construction to Stop(). Every
// call must succeed.
class Neighbour {
 public:
  explicit Neighbour(const std::string& address) : client_(ConnectFrom(Host::kNeighbour, address)) {
    CreateTopic(client_, "good");
    thread_ = std::thread([this] { Run(); });
  }
  ~Neighbour() { Stop(); }

  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  size_t rounds() const { return rounds_; }

  // Call after Stop().
  absl::Duration Percentile(double part) {
    std::sort(took_.begin(), took_.end());
    return took_.empty() ? absl::InfiniteDuration()
                         : took_[static_cast<size_t>(part * static_cast<double>(took_.size()))];
  }

 private:
  void Run() {
    v1::PublishRequest request = MakePublish("good");
    request.set_durability(v1::DURABILITY_WRITTEN);
    while (!stopping_ && !testing::Test::HasFailure()) {
      const absl::Time start = absl::Now();
      const Outcome<v1::PublishResponse> published = TryPublish(client_, request);
      ASSERT_TRUE(published.status.ok()) << published.status.error_message();
      v1::ReadRequest read = ReadOf("good");
      read.mutable_start()->set_offset(published.response.result().placements(0).base_offset());
      const ReadOutcome outcome = ReadAll(client_, read);
      ASSERT_TRUE(outcome.status.ok()) << outcome.status.error_message();
      took_.push_back(absl::Now() - start);
      ++rounds_;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // Keeps its own load low.
    }
  }

  HubClient client_;
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> rounds_{0};
  std::vector<absl::Duration> took_;  // Only for the thread.
  std::thread thread_;
};

}  // namespace eventhub::abuse
