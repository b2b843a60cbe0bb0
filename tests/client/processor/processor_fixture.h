// Shared by the tests of processors: events, and descriptions of their outcomes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/processor/processor.h"
#include "eventhub/processor/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/events.h"
#include "tests/support/status_matchers.h"

namespace eventhub::processor {

// A value that steps add.
struct Number {
  int value = 0;
};

// An event of type "number" with the number as its id.
inline v1::Event NumberEvent(int number, const std::string& key = "") {
  v1::Event event = MakeEvent(absl::StrCat(number), key);
  event.set_type("number");
  return event;
}

inline Number ParseNumber(const v1::Event& event) { return {std::stoi(event.id())}; }

// An event to emit, with the number as its data.
inline v1::Event Result(int number) {
  v1::Event event;
  event.set_type("result");
  event.set_data(absl::StrCat(number));
  return event;
}

inline ProcessorOptions Rules(std::vector<AnyPipeline> pipelines) {
  return {.subscription = "s", .source = "/processor", .pipelines = std::move(pipelines)};
}

// E.g. "out:42".
inline std::vector<std::string> Emitted(const TestProcessor& test) {
  std::vector<std::string> words;
  for (const EmittedEvent& emitted : test.emitted()) {
    words.push_back(absl::StrCat(emitted.topic, ":", emitted.event.data()));
  }
  return words;
}

// E.g. "ack 42", "park 42".
inline std::vector<std::string> Settled(const TestProcessor& test) {
  std::vector<std::string> words;
  for (const SettledEvent& settled : test.settled()) {
    const bool acked = settled.outcome.kind == client::Outcome::Kind::kAck;
    words.push_back(absl::StrCat(acked ? "ack " : "park ", settled.event.id()));
  }
  return words;
}

}  // namespace eventhub::processor
