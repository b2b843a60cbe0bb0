// Requests that are larger, or take more memory, than their methods allow: each method of each
// service refuses them before it parses them.
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/writer.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using google::protobuf::MethodDescriptor;
using grpc::StatusCode;
using testing::AnyOf;
using testing::HasSubstr;
using v1::ErrorDetail;

// The methods whose requests may be as large as the hub receives.
const std::set<std::string>& LargeMethods() {
  static const auto* const names = new std::set<std::string>{
      "Publish",          "Transact",           "ApplyTopology",       "TestRoutes",
      "SeekSubscription", "ReplaySubscription", "CancelDelayedEvents", "ListDeadLetters",
      "CountDeadLetters", "RedriveDeadLetters", "DiscardDeadLetters"};
  return *names;
}

std::string Repeat(const std::string& bytes, size_t times) {
  std::string all;
  all.reserve(bytes.size() * times);
  for (size_t i = 0; i < times; ++i) all += bytes;
  return all;
}

// Of a method that gRPC calls with encoded messages.
std::string PathOf(const MethodDescriptor& method) {
  return absl::StrCat("/", method.service()->full_name(), "/", method.name());
}

class RequestBoundsTest : public testing::Test {
 protected:
  explicit RequestBoundsTest(ServerOptions options = TestServerOptions())
      : hub_(std::move(options)), stub_(hub_.client().channel()) {}

  grpc::Status Call(const std::string& path, const std::string& request) {
    return CallRaw(hub_.client(), path, request);
  }

  // One request to server reflection.
  std::string Reflect(const std::string& request) {
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const auto await = [&] {
      void* tag;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    const auto stream = stub_.PrepareCall(
        &context, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &queue);
    stream->StartCall(nullptr);
    EXPECT_TRUE(await());
    grpc::Slice slice(request);
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    EXPECT_TRUE(await());
    grpc::ByteBuffer response;
    stream->Read(&response, nullptr);
    EXPECT_TRUE(await());
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(response.Dump(&slices).ok());
    std::string bytes;
    for (const grpc::Slice& part : slices) {
      bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
    stream->WritesDone(nullptr);
    EXPECT_TRUE(await());
    grpc::Status status;
    stream->Finish(&status, nullptr);
    EXPECT_TRUE(await());
    EXPECT_TRUE(status.ok()) << status.error_message();
    queue.Shutdown();
    EXPECT_FALSE(await());
    return bytes;
  }

  // All unary methods of all services that the server has.
  std::vector<const MethodDescriptor*> Methods() {
    constexpr uint32_t kListServices = 7;
    constexpr uint32_t kServicesListed = 6;
    std::string request;
    wire::AppendBytes(kListServices, "*", &request);
    const std::string response = Reflect(request);
    const absl::string_view list = wire::LastBytes(absl::string_view(response), kServicesListed);
    std::vector<const MethodDescriptor*> methods;
    wire::FieldReader service(list);
    while (service.Next()) {
      const auto* const descriptor =
          google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
              std::string(wire::LastBytes(service.bytes(), 1)));
      if (descriptor == nullptr) continue;  // Reflection itself, which has no unary method.
      for (int i = 0; i < descriptor->method_count(); ++i) {
        const MethodDescriptor& method = *descriptor->method(i);
        if (!method.client_streaming() && !method.server_streaming()) methods.push_back(&method);
      }
    }
    EXPECT_GT(methods.size(), 30u);
    return methods;
  }

  uint64_t InFlight() { return GetStats(hub_.client()).in_flight_bytes(); }

  TestHub hub_;
  grpc::GenericStub stub_;
};

// The hub refused to parse the request.
void ExpectTooMany(const grpc::Status& status, const std::string& what) {
  if (status.error_code() == StatusCode::RESOURCE_EXHAUSTED) {
    EXPECT_THAT(status,
                FailsWith(StatusCode::RESOURCE_EXHAUSTED, ErrorDetail::REASON_REQUEST_TOO_LARGE))
        << what;
    EXPECT_THAT(status.error_message(), HasSubstr(" at most ")) << what;
  } else {
    EXPECT_THAT(status, FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD))
        << what;
    EXPECT_THAT(status.error_message(), HasSubstr(" more than ")) << what;
  }
}

TEST_F(RequestBoundsTest, EveryMethodServesNormalRequests) {
  for (const MethodDescriptor* const method : Methods()) {
    const grpc::Status empty = Call(PathOf(*method), "");
    EXPECT_NE(empty.error_code(), StatusCode::UNIMPLEMENTED) << method->full_name();
    EXPECT_THAT(empty.error_message(), testing::Not(HasSubstr("the request "))) << method->name();
    // A field of a later version is ignored.
    const grpc::Status unknown = Call(PathOf(*method), "\xf8\x07\x01");
    EXPECT_EQ(unknown.error_code(), empty.error_code()) << method->full_name();
    EXPECT_EQ(unknown.error_message(), empty.error_message()) << method->full_name();
  }
}

TEST_F(RequestBoundsTest, EveryMethodRefusesMalformedRequests) {
  for (const MethodDescriptor* const method : Methods()) {
    for (const std::string& request :
         {std::string("\x0a\x7f"), std::string("\xfb\x07\xfc\x07"), std::string("\x07")}) {
      const grpc::Status status = Call(PathOf(*method), request);
      EXPECT_THAT(status,
                  FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD))
          << method->full_name();
      EXPECT_THAT(status.error_message(), HasSubstr("is not well-formed protobuf"))
          << method->full_name();
    }
  }
}

TEST_F(RequestBoundsTest, EveryMethodRefusesTooManyFields) {
  const std::string numbers = Repeat("\xf8\x07\x01", 500'001);
  const std::string empty_parts = Repeat(std::string("\x0a\x00", 2), 500'001);
  const std::string groups = Repeat("\xfb\x07\xfc\x07", 1'000'000);
  for (const MethodDescriptor* const method : Methods()) {
    const std::string path = PathOf(*method);
    ExpectTooMany(Call(path, numbers), method->full_name());
    ExpectTooMany(Call(path, empty_parts), method->full_name());
    if (LargeMethods().count(method->name()) == 0) {
      ExpectTooMany(Call(path, numbers.substr(0, 3 * 10'001)), method->full_name());
      ExpectTooMany(Call(path, groups), method->full_name());
    }
  }
  EXPECT_TRUE(Eventually([&] { return InFlight() == 0; }));
}

TEST_F(RequestBoundsTest, MethodsWithSmallRequestsRefuseLargeOnes) {
  std::string request;
  wire::AppendBytes(1, std::string(300'000, 'x'), &request);
  for (const MethodDescriptor* const method : Methods()) {
    const grpc::Status status = Call(PathOf(*method), request);
    if (LargeMethods().count(method->name()) > 0) continue;  // Refused, if at all, once parsed.
    EXPECT_THAT(status,
                FailsWith(StatusCode::RESOURCE_EXHAUSTED, ErrorDetail::REASON_REQUEST_TOO_LARGE))
        << method->full_name();
    EXPECT_THAT(status.error_message(),
                AnyOf(HasSubstr("at most 16384"), HasSubstr("at most 262144")))
        << method->full_name();
  }
  EXPECT_TRUE(Eventually([&] { return InFlight() == 0; }));
}

// The first request of a stream is one of those that gRPC has before the hub knows of the call.
TEST_F(RequestBoundsTest, StreamsRefuseTooManyFields) {
  const std::string numbers = Repeat("\xf8\x07\x01", 500'001);
  v1::ReadRequest read = ReadOf("t");
  read.GetReflection()->MutableUnknownFields(&read)->ParseFromString(numbers);
  ExpectTooMany(ReadAll(hub_.client(), read).status, "Read");

  grpc::health::v1::HealthCheckRequest check;
  check.GetReflection()->MutableUnknownFields(&check)->ParseFromString(numbers);
  grpc::ClientContext context;
  ExpectTooMany(hub_.client().health().Watch(&context, check)->Finish(), "Watch");

  v1::ConsumeRequest consume;
  consume.GetReflection()->MutableUnknownFields(&consume)->ParseFromString(numbers);
  grpc::ClientContext consumer;
  const auto stream = hub_.client().hub().Consume(&consumer);
  EXPECT_TRUE(stream->Write(consume));
  ExpectTooMany(stream->Finish(), "Consume");

  EXPECT_THAT(Reflect(numbers), HasSubstr("at most 16384"));
  EXPECT_TRUE(Eventually([&] { return InFlight() == 0; }));
}

TEST_F(RequestBoundsTest, ReflectionNamesWhatItDoesNotFind) {
  const auto ask = [&](uint32_t field, absl::string_view subject) {
    std::string request;
    wire::AppendBytes(field, subject, &request);
    return Reflect(request);
  };
  EXPECT_THAT(ask(3, "a/b.proto"), HasSubstr("no file is named a/b.proto"));
  EXPECT_THAT(ask(4, "a.b.C"), HasSubstr("no file defines a.b.C"));
  EXPECT_THAT(ask(4, "a\n\xff"), HasSubstr("no file defines a\\n\\xff"));
  std::string extension;
  wire::AppendBytes(1, "a.b.C", &extension);
  wire::AppendNumber(2, 17, &extension);
  EXPECT_THAT(ask(5, extension), HasSubstr("no extension of a.b.C has number 17"));
  EXPECT_THAT(ask(6, "a.b.C"), HasSubstr("no type is named a.b.C"));
  EXPECT_THAT(Reflect(""), HasSubstr("asks for nothing"));
  // The request itself is in the answer.
  EXPECT_THAT(ask(4, std::string(10'000, 'x')),
              HasSubstr(absl::StrCat("no file defines ", std::string(256, 'x'), "...")));
}

class RequestMemoryTest : public RequestBoundsTest {
 protected:
  static constexpr size_t kTotal = size_t{2} << 20;

  RequestMemoryTest() : RequestBoundsTest(Options()) {}

  static ServerOptions Options() {
    ServerOptions options = TestServerOptions();
    options.publish_limits.total_bytes = kTotal;
    return options;
  }

  static v1::ApplyTopologyRequest ManyTopics(int topics) {
    v1::ApplyTopologyRequest request;
    request.set_dry_run(true);
    for (int i = 0; i < topics; ++i) {
      request.mutable_topology()->add_topics()->set_name(absl::StrCat("t", i));
    }
    return request;
  }
};

TEST_F(RequestMemoryTest, RefusesRequestThatNeverFits) {
  const grpc::Status status =
      Call("/eventhub.v1.TopologyService/ApplyTopology", ManyTopics(20'000).SerializeAsString());
  EXPECT_THAT(status,
              FailsWith(StatusCode::RESOURCE_EXHAUSTED, ErrorDetail::REASON_REQUEST_TOO_LARGE));
  EXPECT_THAT(status.error_message(), HasSubstr("at most 1048576, half of its --max_in_flight"));
  EXPECT_TRUE(Eventually([&] { return InFlight() == 0; }));
}

TEST_F(RequestMemoryTest, CountsRequestsUntilTheyEnd) {
  struct Waiting {
    grpc::ClientContext context;
    v1::ApplyTopologyResponse response;
    grpc::Status status;
    absl::Notification done;
  };
  std::vector<std::unique_ptr<Waiting>> calls;
  const auto start = [&](const v1::ApplyTopologyRequest& request) {
    Waiting& call = *calls.emplace_back(std::make_unique<Waiting>());
    hub_.client().topologies().async()->ApplyTopology(&call.context, &request, &call.response,
                                                      [&call](grpc::Status status) {
                                                        call.status = std::move(status);
                                                        call.done.Notify();
                                                      });
  };
  // The first one waits for its commit, and the others for it.
  hub_.gate().Close();
  v1::ApplyTopologyRequest first;
  first.mutable_topology()->add_topics()->set_name("first");
  start(first);
  ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
  const v1::ApplyTopologyRequest many = ManyTopics(2000);
  uint64_t before = 0;
  while (InFlight() < kTotal / 4 * 3) {  // All that one host may have.
    start(many);
    ASSERT_TRUE(Eventually([&] { return InFlight() > before; }));
    before = InFlight();
  }
  EXPECT_GT(calls.size(), 2u);
  EXPECT_LT(before, kTotal * 3 / 2);
  EXPECT_THAT(Call("/eventhub.v1.TopologyService/ApplyTopology", many.SerializeAsString()),
              FailsWith(StatusCode::RESOURCE_EXHAUSTED, ErrorDetail::REASON_TOO_MUCH_IN_FLIGHT));
  // Who administers the hub is not affected.
  EXPECT_THAT(Call("/eventhub.v1.AdminService/ListTopics", ""), IsOk());
  hub_.gate().Open();
  for (const auto& call : calls) {
    call->done.WaitForNotification();
    EXPECT_THAT(call->status, IsOk());
  }
  EXPECT_TRUE(Eventually([&] { return InFlight() == 0; }));
  EXPECT_THAT(Call("/eventhub.v1.TopologyService/ApplyTopology", many.SerializeAsString()), IsOk());
}

}  // namespace
}  // namespace eventhub
