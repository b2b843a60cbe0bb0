// Events about subjects, and their erasure, for tests of an in-memory broker.
#pragma once

#include <cstdint>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/admin/erasures.h"
#include "server/core/erasure/master_keys.h"
#include "server/core/erasure/open_events.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"
#include "tests/server/broker_rig.h"
#include "tests/support/caller.h"

namespace eventhub {

inline MasterKeys MasterKeysOf(const std::string& text) {
  const absl::StatusOr<MasterKeys> keys = MasterKeys::Parse(text);
  EXPECT_THAT(keys, IsOk());
  return keys.ok() ? *keys : MasterKeys();
}

inline v1::Event SubjectEvent(const std::string& id, const std::string& subject,
                              const std::string& data, const std::string& key = "") {
  v1::Event event = MakeEvent(id, key, data);
  (*event.mutable_attributes())["datasubject"].set_string(subject);
  (*event.mutable_attributes())["other"].set_string("value");
  return event;
}

inline v1::Topic ErasableTopic(const std::string& name, uint32_t partitions = 1) {
  v1::Topic topic;
  topic.set_name(name);
  topic.set_partitions(partitions);
  topic.set_erasable(true);
  return topic;
}

inline absl::StatusOr<v1::PublishResult> PublishAll(BrokerRig& rig, const std::string& topic,
                                                    const std::vector<v1::Event>& events) {
  v1::PublishStreamRequest request;
  request.set_topic(topic);
  for (const v1::Event& event : events) *request.add_events() = event;
  return rig.Publish(request);
}

// The events that a read delivers, as they are stored or opened.
inline absl::StatusOr<std::vector<v1::Event>> ReadEvents(BrokerRig& rig,
                                                         const v1::ReadRequest& request,
                                                         bool as_stored = false) {
  std::vector<v1::Event> events;
  ASSIGN_OR_RETURN(const auto reader, rig.broker().readers().Open(kTester, request));
  for (;;) {
    Frame frame;
    ASSIGN_OR_RETURN(const TopicReader::Step step, reader->Poll(&frame));
    if (step == TopicReader::Step::kEnd) return events;
    if (step == TopicReader::Step::kCold) RETURN_IF_ERROR(reader->ReadCold(&frame));
    if (!as_stored) {
      RETURN_IF_ERROR(OpenSealed(rig.broker().keys(), &frame.deliveries, &frame.bytes));
    }
    size_t bytes = 0;
    for (const Delivery& delivery : frame.deliveries) {
      size_t of_delivery = 0;
      for (const SharedBytes& chunk : delivery.events) {
        v1::EventBatch batch;
        EXPECT_TRUE(batch.ParseFromArray(chunk.data(), static_cast<int>(chunk.size())));
        for (const v1::Event& event : batch.events()) events.push_back(event);
        of_delivery += chunk.size();
      }
      EXPECT_EQ(of_delivery, delivery.bytes);
      bytes += delivery.bytes;
    }
    EXPECT_EQ(bytes, frame.bytes);
  }
}

// Their data.
inline std::vector<std::string> DataOf(BrokerRig& rig, const std::string& topic,
                                       bool as_stored = false) {
  std::vector<std::string> data;
  const absl::StatusOr<std::vector<v1::Event>> events = ReadEvents(rig, ReadOf(topic), as_stored);
  EXPECT_THAT(events, IsOk());
  if (!events.ok()) return data;
  for (const v1::Event& event : *events) data.push_back(event.data());
  return data;
}

inline absl::StatusOr<v1::Erasure> EraseSubject(BrokerRig& rig, const std::string& subject) {
  v1::EraseSubjectRequest request;
  request.set_subject(subject);
  std::promise<absl::StatusOr<v1::EraseSubjectResponse>> outcome;
  rig.broker().erasures().Erase(kTester, request,
                                [&](auto response) { outcome.set_value(std::move(response)); });
  ASSIGN_OR_RETURN(const v1::EraseSubjectResponse response, outcome.get_future().get());
  return response.erasure();
}

// The number of keys that were wrapped again.
inline absl::StatusOr<uint64_t> RewrapKeys(BrokerRig& rig) {
  std::promise<absl::StatusOr<v1::RewrapKeysResponse>> outcome;
  rig.broker().erasures().Rewrap(kTester,
                                 [&](auto response) { outcome.set_value(std::move(response)); });
  ASSIGN_OR_RETURN(const v1::RewrapKeysResponse response, outcome.get_future().get());
  return response.rewrapped_keys();
}

// Returns the stored record of the data key of a sealed event; empty if there is none.
inline std::string StoredKeyOf(BrokerRig& rig, const v1::Event& stored) {
  const std::string& seal = stored.attributes().at("datasealed").binary();
  const auto record = rig.broker().keys().store().Get(
      Column::kMeta, DataKeyKey(seal.substr(1, kSubjectHashBytes),
                                seal.substr(1 + kSubjectHashBytes, kDataKeyIdBytes)));
  EXPECT_THAT(record, IsOk());
  return record.ok() && record->has_value() ? **record : "";
}

}  // namespace eventhub
