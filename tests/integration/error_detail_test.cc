// Every error of the hub carries an ErrorDetail, which is how clients tell it from an error that
// gRPC makes by itself: asked of every method that the contract has.
#include <gmock/gmock.h>
#include <google/protobuf/dynamic_message.h>
#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

// All files of the contract that have services: the build links them all.
std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const char* const file :
       {"hub", "admin", "subscription", "delayed", "route", "link", "topology"}) {
    const auto* const descriptor = DescriptorPool::generated_pool()->FindFileByName(
        absl::StrCat("eventhub/v1/", file, ".proto"));
    for (int s = 0; s < descriptor->service_count(); ++s) {
      for (int m = 0; m < descriptor->service(s)->method_count(); ++m) {
        methods.push_back(descriptor->service(s)->method(m));
      }
    }
  }
  return methods;
}

// Names in every place that takes one, of what is not there.
void NameNothing(Message& message, int depth) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* const field = type.field(i);
    if (field->is_repeated()) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      message.GetReflection()->SetString(&message, field, "nothing!");
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && depth > 0) {
      NameNothing(*message.GetReflection()->MutableMessage(&message, field), depth - 1);
    }
  }
}

// Sends one request, reads to the end.
grpc::Status CallWith(const std::shared_ptr<grpc::Channel>& channel, const MethodDescriptor& method,
                      const std::string& request) {
  const std::string path = absl::StrCat("/", method.service()->full_name(), "/", method.name());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto await = [&queue] {
    void* tag;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = grpc::GenericStub(channel).PrepareCall(&context, path, &queue);
  call->StartCall(nullptr);
  await();
  const grpc::Slice slice(request);
  call->Write(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions().set_last_message(), nullptr);
  await();
  grpc::ByteBuffer response;
  do {
    call->Read(&response, nullptr);
  } while (await());
  grpc::Status status;
  call->Finish(&status, nullptr);
  await();
  return status;
}

TEST(ErrorDetailTest, IsInEveryErrorOfEveryMethod) {
  TestHub hub;
  google::protobuf::DynamicMessageFactory factory;
  std::set<std::string> failed;
  for (const MethodDescriptor* const method : AllMethods()) {
    // With everything, with a name alone, and with nothing.
    for (int depth = 1; depth >= -1; --depth) {
      const std::unique_ptr<Message> request(factory.GetPrototype(method->input_type())->New());
      if (depth >= 0) NameNothing(*request, depth);
      SCOPED_TRACE(absl::StrCat(method->full_name(), ": ", request->ShortDebugString()));
      const grpc::Status status =
          CallWith(hub.client().channel(), *method, request->SerializeAsString());
      if (status.ok()) continue;
      failed.insert(method->name());
      EXPECT_TRUE(v1::ErrorDetail::Reason_IsValid(DetailOf(status).reason()))
          << status.error_code() << " " << status.error_message();
    }
  }
  // Of PublishStream, errors are in the replies; some others have nothing to fail with.
  for (const char* const method :
       {"Publish", "Transact", "Read", "Consume", "CreateTopic", "DeleteTopic",
        "CreateSubscription", "SeekSubscription", "RedriveDeadLetters", "CreateRoute", "CreateLink",
        "CancelDelayedEvents"}) {
    EXPECT_TRUE(failed.contains(method)) << method;
  }
}

}  // namespace
}  // namespace eventhub
