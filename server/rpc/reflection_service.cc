#include "server/rpc/reflection_service.h"

#include <cstdint>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/text_format.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/writer.h"
#include "server/core/base/errors.h"
#include "server/rpc/pipelined_stream.h"
#include "server/rpc/request_bounds.h"
#include "storage/base/check.h"

namespace eventhub {
namespace {

using google::protobuf::FileDescriptor;
using BytesBidi = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// As published by the gRPC project; VERSION is v1 or v1alpha.
constexpr char kReflectionProtocol[] = R"(
name: "grpc/reflection/VERSION/reflection.proto"
package: "grpc.reflection.VERSION"
syntax: "proto3"
message_type { name: "ServerReflectionRequest"
  field { name: "host" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "file_by_filename" number: 3 label: LABEL_OPTIONAL oneof_index: 0
          type: TYPE_STRING }
  field { name: "file_containing_symbol" number: 4 label: LABEL_OPTIONAL oneof_index: 0
          type: TYPE_STRING }
  field { name: "file_containing_extension" number: 5 label: LABEL_OPTIONAL oneof_index: 0
          type: TYPE_MESSAGE type_name: "ExtensionRequest" }
  field { name: "all_extension_numbers_of_type" number: 6 label: LABEL_OPTIONAL oneof_index: 0
          type: TYPE_STRING }
  field { name: "list_services" number: 7 label: LABEL_OPTIONAL oneof_index: 0 type: TYPE_STRING }
  oneof_decl { name: "message_request" } }
message_type { name: "ExtensionRequest"
  field { name: "containing_type" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "extension_number" number: 2 label: LABEL_OPTIONAL type: TYPE_INT32 } }
message_type { name: "ServerReflectionResponse"
  field { name: "valid_host" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "original_request" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: "ServerReflectionRequest" }
  field { name: "file_descriptor_response" number: 4 label: LABEL_OPTIONAL oneof_index: 0
          type: TYPE_MESSAGE type_name: "FileDescriptorResponse" }
  field { name: "all_extension_numbers_response" number: 5 label: LABEL_OPTIONAL oneof_index: 0
          type: TYPE_MESSAGE type_name: "ExtensionNumberResponse" }
  field { name: "list_services_response" number: 6 label: LABEL_OPTIONAL oneof_index: 0
          type: TYPE_MESSAGE type_name: "ListServiceResponse" }
  field { name: "error_response" number: 7 label: LABEL_OPTIONAL oneof_index: 0 type: TYPE_MESSAGE
          type_name: "ErrorResponse" }
  oneof_decl { name: "message_response" } }
message_type { name: "FileDescriptorResponse"
  field { name: "file_descriptor_proto" number: 1 label: LABEL_REPEATED type: TYPE_BYTES } }
message_type { name: "ExtensionNumberResponse"
  field { name: "base_type_name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "extension_number" number: 2 label: LABEL_REPEATED type: TYPE_INT32 } }
message_type { name: "ListServiceResponse"
  field { name: "service" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE
          type_name: "ServiceResponse" } }
message_type { name: "ServiceResponse"
  field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING } }
message_type { name: "ErrorResponse"
  field { name: "error_code" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 }
  field { name: "error_message" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING } }
service { name: "ServerReflection"
  method { name: "ServerReflectionInfo" client_streaming: true server_streaming: true
           input_type: "ServerReflectionRequest" output_type: "ServerReflectionResponse" } }
)";

// Fields of the messages above.
struct AskedField {
  enum : uint32_t {
    kHost = 1,
    kFileByName = 3,
    kFileOfSymbol = 4,
    kFileOfExtension = 5,
    kExtensionNumbers = 6,
    kServices = 7,
  };
};
struct AnswerField {
  enum : uint32_t {
    kValidHost = 1,
    kOriginalRequest = 2,
    kFile = 4,
    kExtensionNumbers = 5,
    kServices = 6,
    kError = 7,
  };
};

std::string ReflectionError(const absl::Status& status) {
  std::string error;
  wire::AppendNumber(1, static_cast<uint64_t>(status.raw_code()), &error);
  wire::AppendBytes(2, status.message(), &error);
  std::string response;
  wire::AppendBytes(AnswerField::kError, error, &response);
  return response;
}

// The type and number of the extension that is asked for.
struct AskedExtension {
  explicit AskedExtension(absl::string_view subject) {
    wire::FieldReader field(subject);
    while (field.Next()) {
      if (field.Is(1)) type = std::string(field.bytes());
      if (field.Is(2, wire::WireType::kVarint)) number = static_cast<int>(field.value());
    }
  }

  std::string type;
  int number = 0;
};

// The name that was asked for, in a form for messages.
std::string Shown(absl::string_view name) {
  constexpr size_t kMost = 256;
  return absl::StrCat(absl::CHexEscape(name.substr(0, kMost)), name.size() > kMost ? "..." : "");
}

absl::Status NotFound(uint32_t kind, absl::string_view subject) {
  switch (kind) {
    case AskedField::kFileByName:
      return absl::NotFoundError(absl::StrCat("no file is named ", Shown(subject)));
    case AskedField::kFileOfSymbol:
      return absl::NotFoundError(absl::StrCat("no file defines ", Shown(subject)));
    case AskedField::kFileOfExtension: {
      const AskedExtension asked(subject);
      return absl::NotFoundError(
          absl::StrCat("no extension of ", Shown(asked.type), " has number ", asked.number));
    }
    case AskedField::kExtensionNumbers:
      return absl::NotFoundError(absl::StrCat("no type is named ", Shown(subject)));
    default:
      return MalformedRequest("asks for nothing that this version of reflection knows");
  }
}

// Appends a file, after those that it imports.
void AppendFileTree(const FileDescriptor& file, std::set<const FileDescriptor*>* seen,
                    std::string* files) {
  if (!seen->insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i)
    AppendFileTree(*file.dependency(i), seen, files);
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  wire::AppendBytes(1, proto.SerializeAsString(), files);
}

// One stream. It answers each request at once.
class ReflectionStream final : public PipelinedStream {
 public:
  ReflectionStream(const ReflectionService& service, PublishLimits& limits,
                   StreamRegistry& registry, Caller caller, StreamLimits::Place place)
      : PipelinedStream(limits, registry, std::move(caller), std::move(place)), service_(service) {}

  using PipelinedStream::Begin;

 private:
  absl::Status Submit(const SharedBytes& message, uint64_t number) override {
    connection().NoteTaken(message.size());
    if (message.size() > kNameRequest.bytes) {
      return RequestTooLarge(message.size(), kNameRequest.bytes);
    }
    Respond(number, service_.Answer(message.view()));
    return absl::OkStatus();
  }

  void Refuse(uint64_t number, const absl::Status& status) override {
    Respond(number, ReflectionError(status));
  }

  void Respond(uint64_t number, const std::string& response) {
    grpc::Slice slice(response);
    Reply(number, grpc::ByteBuffer(&slice, 1));
  }

  const ReflectionService& service_;
};

}  // namespace

ReflectionService::ReflectionService(PublishLimits& limits, StreamRegistry& registry,
                                     const Calls& calls)
    : limits_(limits),
      registry_(registry),
      calls_(calls),
      pool_(google::protobuf::DescriptorPool::generated_pool()) {
  for (const absl::string_view version : {"v1", "v1alpha"}) AddVersion(version);
}

void ReflectionService::AddVersion(absl::string_view version) {
  const std::string text = absl::StrReplaceAll(kReflectionProtocol, {{"VERSION", version}});
  google::protobuf::FileDescriptorProto proto;
  EVENTHUB_CHECK(google::protobuf::TextFormat::ParseFromString(text, &proto) &&
                     pool_.BuildFile(proto) != nullptr,
                 "the protocol is well-formed");

  const std::string service = absl::StrCat("grpc.reflection.", version, ".ServerReflection");
  const auto start = [this](grpc::CallbackServerContext* context) {
    return calls_.Open<BytesBidi>(context, [&](Caller caller, StreamLimits::Place place) {
      const auto stream = std::make_shared<ReflectionStream>(*this, limits_, registry_,
                                                             std::move(caller), std::move(place));
      stream->Begin();
      return stream.get();
    });
  };
  paths_.push_back(absl::StrCat("/", service, "/ServerReflectionInfo"));
  AddMethod(new grpc::internal::RpcServiceMethod(paths_.back().c_str(),
                                                 grpc::internal::RpcMethod::BIDI_STREAMING,
                                                 /*handler=*/nullptr));
  MarkMethodRawCallback(
      static_cast<int>(paths_.size()) - 1,
      new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>(start));
  AddService(service);
}

std::string ReflectionService::Answer(absl::string_view request) const {
  wire::FieldReader field(request);
  absl::string_view host;
  uint32_t kind = 0;
  absl::string_view subject;
  while (field.Next()) {
    if (field.type() != wire::WireType::kBytes) continue;
    if (field.number() == AskedField::kHost) host = field.bytes();
    if (field.number() < AskedField::kFileByName || field.number() > AskedField::kServices)
      continue;
    kind = field.number();
    subject = field.bytes();
  }
  if (!field.ok()) return ReflectionError(MalformedRequest("is not well-formed protobuf"));
  std::string response;
  wire::AppendBytes(AnswerField::kValidHost, host, &response);
  wire::AppendBytes(AnswerField::kOriginalRequest, request, &response);
  const std::string found = Find(kind, subject);
  return response += !found.empty() ? found : ReflectionError(NotFound(kind, subject));
}

std::string ReflectionService::Find(uint32_t kind, absl::string_view subject) const {
  std::string response;
  if (kind == AskedField::kServices) {
    std::string list;
    for (const std::string& name : services_) {
      std::string service;
      wire::AppendBytes(1, name, &service);
      wire::AppendBytes(1, service, &list);
    }
    wire::AppendBytes(AnswerField::kServices, list, &response);
    return response;
  }
  if (kind == AskedField::kExtensionNumbers) {
    const auto* const type = pool_.FindMessageTypeByName(std::string(subject));
    if (type == nullptr) return "";
    std::string numbers;
    wire::AppendBytes(1, subject, &numbers);
    std::vector<const google::protobuf::FieldDescriptor*> extensions;
    pool_.FindAllExtensions(type, &extensions);
    for (const auto* const extension : extensions) {
      wire::AppendNumber(2, static_cast<uint64_t>(extension->number()), &numbers);
    }
    wire::AppendBytes(AnswerField::kExtensionNumbers, numbers, &response);
    return response;
  }
  const FileDescriptor* file = nullptr;
  if (kind == AskedField::kFileByName) {
    file = pool_.FindFileByName(std::string(subject));
  } else if (kind == AskedField::kFileOfSymbol) {
    file = pool_.FindFileContainingSymbol(std::string(subject));
  } else if (kind == AskedField::kFileOfExtension) {
    const AskedExtension asked(subject);
    const auto* const type = pool_.FindMessageTypeByName(asked.type);
    const auto* const extension =
        type == nullptr ? nullptr : pool_.FindExtensionByNumber(type, asked.number);
    if (extension != nullptr) file = extension->file();
  }
  if (file == nullptr) return "";
  std::set<const FileDescriptor*> seen;
  std::string files;
  AppendFileTree(*file, &seen, &files);
  wire::AppendBytes(AnswerField::kFile, files, &response);
  return response;
}

}  // namespace eventhub
