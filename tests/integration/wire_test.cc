// Requests as bytes: field order, repetition, and bytes that are not protobuf.
#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using v1::ErrorDetail;

constexpr char kPublish[] = "/eventhub.v1.EventHubService/Publish";
constexpr char kPublishStream[] = "/eventhub.v1.EventHubService/PublishStream";
constexpr char kRead[] = "/eventhub.v1.EventHubService/Read";
constexpr char kGetTopic[] = "/eventhub.v1.AdminService/GetTopic";

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(slice.begin(), slice.end());
  return bytes;
}

class WireTest : public testing::Test {
 protected:
  void SetUp() override { CreateTopic(hub_.client(), "t"); }

  // Sends one request and, if it succeeds, returns the response.
  Outcome<std::string> Call(const char* method, const std::string& request) {
    grpc::GenericStub stub(hub_.client().channel());
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const auto stream = stub.PrepareCall(&context, method, &queue);
    grpc::ByteBuffer response;
    Outcome<std::string> outcome;
    const auto await = [&queue] {
      void* tag;
      bool ok;
      return queue.Next(&tag, &ok) && ok;
    };
    stream->StartCall(nullptr);
    await();
    stream->WriteLast(ToBuffer(request), grpc::WriteOptions(), nullptr);
    await();
    stream->Read(&response, nullptr);
    if (await()) outcome.response = ToString(response);
    stream->Finish(&outcome.status, nullptr);
    await();
    return outcome;
  }

  v1::PublishResult PublishBytes(const std::string& bytes) {
    const Outcome<std::string> outcome = Call(kPublish, bytes);
    EXPECT_THAT(outcome.status, IsOk());
    v1::PublishResponse response;
    EXPECT_TRUE(response.ParseFromString(outcome.response));
    return response.result();
  }

  TestHub hub_;
};

std::string Only(void (*fill)(v1::PublishRequest&)) {
  v1::PublishRequest request;
  fill(request);
  return request.SerializeAsString();
}

const std::string kTopic = Only([](v1::PublishRequest& r) { r.set_topic("t"); });
const std::string kPartition = Only([](v1::PublishRequest& r) { r.set_partition(0); });
const std::string kSequence = Only([](v1::PublishRequest& r) {
  r.set_producer_id("p");
  r.set_sequence(0);
});
const std::string kFirst = Only([](v1::PublishRequest& r) { *r.add_events() = MakeEvent("1"); });
const std::string kSecond = Only([](v1::PublishRequest& r) { *r.add_events() = MakeEvent("2"); });

TEST_F(WireTest, AcceptsFieldsInAnyOrder) {
  const std::string orders[] = {
      kTopic + kPartition + kFirst + kSecond, kFirst + kSecond + kPartition + kTopic,
      kFirst + kTopic + kSecond + kPartition, kPartition + kFirst + kSecond + kTopic,
      kFirst + kTopic + kSequence + kSecond,
  };
  int64_t next = 0;
  for (const std::string& bytes : orders) {
    const v1::PublishResult result = PublishBytes(bytes);
    ASSERT_EQ(result.placements_size(), 1);
    EXPECT_EQ(result.placements(0).base_offset(), next);
    next += 2;
  }
  std::vector<std::string> expected;
  for (size_t i = 0; i < std::size(orders); ++i) expected.insert(expected.end(), {"1", "2"});
  EXPECT_EQ(ReadAll(hub_.client(), ReadOf("t")).ids(), expected);
}

TEST_F(WireTest, LastFieldWinsAndUnknownFieldsAreSkipped) {
  const std::string other = Only([](v1::PublishRequest& r) { r.set_topic("none"); });
  const std::string unknown = "\xd2\x0f\x03xyz";  // Field 250.
  EXPECT_EQ(PublishBytes(other + unknown + kTopic + kFirst).placements_size(), 1);
  EXPECT_EQ(PublishBytes(unknown + kFirst + unknown + kTopic).placements_size(), 1);
  EXPECT_THAT(Call(kPublish, kTopic + kFirst + other).status,
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND));
}

TEST_F(WireTest, AcceptsOverlongEventTag) {
  std::string long_tag = kFirst;
  long_tag[0] = '\xfa';
  long_tag.insert(1, 1, '\0');
  EXPECT_EQ(PublishBytes(kTopic + long_tag + kSecond).placements(0).count(), 2u);
  EXPECT_THAT(ReadAll(hub_.client(), ReadOf("t")).ids(), testing::ElementsAre("1", "2"));
}

// A request with one event that has these bytes.
std::string WithEvent(const std::string& event) {
  return kTopic + "\x7a" + static_cast<char>(event.size()) + event;
}

TEST_F(WireTest, RejectsWhatConformingParserRejects) {
  const std::string event = MakeEvent("1").SerializeAsString();
  const std::string entry_with_bad_first_key("\x4a\x0b\x0a\x01\xff\x0a\x01k\x12\x03\x1a\x01v", 13);
  const std::string bad_events[] = {
      event + "\x0a",  // A field without a length.
      event +
          "\x0a\x05"
          "abc",                                                   // Shorter than it says.
      event + std::string(2, '\0'),                                // Field 0.
      event + "\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  // A varint of eleven bytes.
      event + "\x32\x01\xff",                                      // Not UTF-8.
      event + entry_with_bad_first_key,
      // Tags and lengths of more than five bytes.
      event + std::string("\x8a\x80\x80\x80\x80\x00\x01k", 8),
      event + std::string("\x0a\x81\x80\x80\x80\x80\x00k", 8),
  };
  for (const std::string& bad : bad_events) {
    v1::Event parsed;
    ASSERT_FALSE(parsed.ParseFromString(bad)) << "not bad: " << testing::PrintToString(bad);
    const grpc::Status status = Call(kPublish, WithEvent(bad)).status;
    EXPECT_THAT(status, FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD))
        << testing::PrintToString(bad);
  }
  // Protobuf's parsers disagree about groups, which proto3 does not have.
  EXPECT_THAT(Call(kPublish, WithEvent(event + "\x1b\x1c")).status,
              FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD));
  // The length of the event itself.
  EXPECT_EQ(Call(kPublish, kTopic + "\x7a" + static_cast<char>(event.size() | 0x80) +
                               std::string("\x80\x80\x80\x80\x00", 5) + event)
                .status.error_code(),
            StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(GetStats(hub_.client()).totals().events(), 0u);
}

TEST_F(WireTest, MalformedRequestsAreInvalidWithDetail) {
  const std::string malformed[] = {"\x0a",
                                   "\x0a\x7f",
                                   "\xff\xff\xff\xff\xff",
                                   std::string(1, '\0'),
                                   "\x0a\x01\xff",
                                   std::string(100, '\x0b')};
  for (const char* method : {kPublish, kRead}) {
    for (const std::string& bytes : malformed) {
      EXPECT_THAT(Call(method, bytes).status,
                  FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD))
          << method << testing::PrintToString(bytes);
    }
  }
  for (const std::string& bytes : malformed) {
    const Outcome<std::string> outcome = Call(kPublishStream, bytes);
    EXPECT_THAT(outcome.status, IsOk());
    v1::PublishStreamResponse response;
    ASSERT_TRUE(response.ParseFromString(outcome.response));
    EXPECT_EQ(response.error().code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(DetailOf(response.error()).reason(), ErrorDetail::REASON_INVALID_FIELD);
  }
  // Generated code parses the other methods' requests; there gRPC itself refuses.
  EXPECT_FALSE(Call(kGetTopic, malformed[0]).status.ok());
}

TEST_F(WireTest, UnknownMethodsAreUnimplemented) {
  EXPECT_EQ(Call("/eventhub.v1.EventHubService/Nothing", "").status.error_code(),
            StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace eventhub
