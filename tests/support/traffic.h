// Two publishers and two readers at full speed, until the hub ends their streams.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {

class Traffic {
 public:
  // `topic` must have one partition.
  Traffic(std::string address, std::string topic)
      : address_(std::move(address)), topic_(std::move(topic)) {
    for (int i = 0; i < 2; ++i) {
      threads_.emplace_back([this] { Publish(); });
      threads_.emplace_back([this] { Read(); });
    }
  }

  // Returns whether all four streams come up, and at least `events` events are acknowledged.
  bool Flows(int64_t events) {
    return Eventually([&] { return under_way_ == 4 && acknowledged() >= events; });
  }

  // Waits for all streams to end, and expects that each is told of the shutdown.
  void ExpectShutDown() {
    for (std::thread& thread : threads_) thread.join();
  }

  // The log's end offset according to the acknowledgements.
  int64_t acknowledged() const { return acknowledged_; }

 private:
  static constexpr int kEvents = 10;

  void Publish() {
    HubClient client(address_);
    grpc::ClientContext context;
    const auto stream = client.hub().PublishStream(&context);
    std::thread writer([&] {
      while (stream->Write(MakeStreamPublish(topic_, 1, kEvents))) {
      }
    });
    bool first = true;
    v1::PublishStreamResponse reply;
    while (stream->Read(&reply)) {
      EXPECT_TRUE(reply.has_result());
      if (!reply.has_result()) continue;
      const int64_t end = reply.result().placements(0).base_offset() + kEvents;
      int64_t highest = acknowledged_;
      while (end > highest && !acknowledged_.compare_exchange_weak(highest, end)) {
      }
      if (first) ++under_way_;
      first = false;
    }
    ExpectToldOfTheEnd(stream->Finish());
    writer.join();
  }

  void Read() {
    HubClient client(address_);
    grpc::ClientContext context;
    v1::ReadRequest request = ReadOf(topic_);
    request.set_follow(true);
    const auto stream = client.hub().Read(&context, request);
    bool first = true;
    v1::ReadResponse response;
    while (stream->Read(&response)) {
      if (first) ++under_way_;
      first = false;
    }
    ExpectToldOfTheEnd(stream->Finish());
  }

  static void ExpectToldOfTheEnd(const grpc::Status& status) {
    EXPECT_THAT(status,
                FailsWith(grpc::StatusCode::UNAVAILABLE, v1::ErrorDetail::REASON_SHUTTING_DOWN));
  }

  const std::string address_;
  const std::string topic_;
  std::atomic<int> under_way_{0};
  std::atomic<int64_t> acknowledged_{0};
  std::vector<std::thread> threads_;
};

}  // namespace eventhub
