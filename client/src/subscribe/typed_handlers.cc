#include "eventhub/typed_handlers.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "client/src/base/failure.h"
#include "google/protobuf/util/json_util.h"
#include "proto/wire/field_reader.h"

namespace eventhub::client {
namespace {

// The media type of the data, in lower case and without parameters.
std::string MediaType(const v1::Event& event) {
  absl::string_view type = event.data_content_type();
  type = type.substr(0, type.find(';'));
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(type));
}

bool IsJson(absl::string_view media_type) {
  return media_type == "application/json" || media_type == "text/json" ||
         absl::EndsWith(media_type, "+json");
}

absl::Status ParseJson(const v1::Event& event, google::protobuf::Message& data) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto parsed = google::protobuf::util::JsonStringToMessage(event.data(), &data, options);
  if (parsed.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the data is not the JSON of a ", data.GetTypeName(), ": ", std::string(parsed.message())));
}

std::string NoHandler(std::string_view type) {
  return absl::StrCat("no handler for type ", std::string(type));
}

Outcome OutcomeOf(Unhandled unhandled, std::string_view type) {
  switch (unhandled) {
    case Unhandled::kSkip:
      break;
    case Unhandled::kAck:
      return Outcome::Ack();
    case Unhandled::kPark:
      return Outcome::Park(NoHandler(type));
  }
  return Outcome::Skip(NoHandler(type));
}

// Events without a handler are not parsed.
std::string_view TypeOf(const ReceivedEvent& received) {
  return wire::LastBytes(received.bytes(), v1::Event::kTypeFieldNumber);
}

}  // namespace

absl::Status DecodeMessage(const v1::Event& event, google::protobuf::Message& data) {
  const std::string media_type = MediaType(event);
  if (IsJson(media_type)) return ParseJson(event, data);
  if (!media_type.empty() && media_type != "application/protobuf" &&
      media_type != "application/x-protobuf") {
    return absl::InvalidArgumentError(
        absl::StrCat("data_content_type is neither protobuf nor JSON: ", media_type));
  }
  if (data.ParseFromString(event.data())) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the data is not a ", data.GetTypeName()));
}

absl::Status CheckIsJson(const v1::Event& event) {
  const std::string media_type = MediaType(event);
  if (media_type.empty() || IsJson(media_type)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("data_content_type is not JSON: ", media_type));
}

std::string TypedHandlers::Reason(const absl::Status& status) {
  return std::string(status.message());
}

std::optional<Outcome> TypedHandlers::ToEvent(const ReceivedEvent& received,
                                              const PrepareEvent& prepare, v1::Event& event) {
  const absl::Status parsed = received.ParseTo(event);
  if (!parsed.ok()) return Outcome::Park(Reason(parsed));
  const absl::Status prepared = prepare ? prepare(event) : absl::OkStatus();
  if (prepared.ok()) return std::nullopt;
  return IsTransientCode(prepared.code()) ? Outcome::Retry(Reason(prepared))
                                          : Outcome::Park(Reason(prepared));
}

Outcome TypedHandlers::operator()(const ReceivedEvent& received) const {
  const std::string_view type = TypeOf(received);
  const auto handler = handlers_.find(type);
  if (handler == handlers_.end()) return OutcomeOf(unhandled_, type);
  v1::Event event;
  if (std::optional<Outcome> outcome = ToEvent(received, prepare_, event)) {
    return *std::move(outcome);
  }
  return handler->second(received, std::move(event));
}

void AsyncTypedHandlers::operator()(ReceivedEvent received, Settler settler) const {
  const std::string_view type = TypeOf(received);
  const auto handler = handlers_.find(type);
  if (handler == handlers_.end()) {
    settler.Settle(OutcomeOf(unhandled_, type));
    return;
  }
  v1::Event event;
  if (std::optional<Outcome> outcome = TypedHandlers::ToEvent(received, prepare_, event)) {
    settler.Settle(*std::move(outcome));
    return;
  }
  handler->second(received, std::move(event), std::move(settler));
}

}  // namespace eventhub::client
