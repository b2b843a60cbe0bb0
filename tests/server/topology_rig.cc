#include "tests/server/topology_rig.h"

#include <future>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

// "create" of "ACTION_CREATE".
std::string LastWord(const std::string& name) {
  return absl::AsciiStrToLower(name.substr(name.rfind('_') + 1));
}

}  // namespace

v1::Topology TopologyOf(const std::string& text) {
  v1::Topology topology;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &topology)) << text;
  return topology;
}

std::vector<std::string> Names(
    const google::protobuf::RepeatedPtrField<v1::TopologyChange>& changes) {
  std::vector<std::string> names;
  for (const v1::TopologyChange& change : changes) {
    names.push_back(absl::StrCat(LastWord(v1::TopologyChange::Action_Name(change.action())), " ",
                                 LastWord(v1::TopologyChange::Kind_Name(change.kind())), " ",
                                 change.name()));
  }
  return names;
}

std::vector<std::string> Words(
    const google::protobuf::RepeatedPtrField<v1::TopologyChange>& changes) {
  std::vector<std::string> words = Names(changes);
  for (size_t i = 0; i < words.size(); ++i) {
    std::string separator = ":";
    for (const v1::FieldChange& field : changes[static_cast<int>(i)].fields()) {
      absl::StrAppend(&words[i], separator, " ", field.path(), " ", field.old_value(), "->",
                      field.new_value());
      separator = ",";
    }
  }
  return words;
}

absl::StatusOr<v1::ApplyTopologyResponse> TopologyTest::ApplyTo(
    SubscriptionRig& rig, const v1::ApplyTopologyRequest& request, const Caller& caller) {
  std::promise<absl::StatusOr<v1::ApplyTopologyResponse>> outcome;
  rig.broker().topologies().Apply(caller, request,
                                  [&](absl::StatusOr<v1::ApplyTopologyResponse> response) {
                                    outcome.set_value(std::move(response));
                                  });
  return outcome.get_future().get();
}

absl::StatusOr<v1::ApplyTopologyResponse> TopologyTest::Apply(const v1::Topology& topology,
                                                              bool prune, bool dry_run) {
  v1::ApplyTopologyRequest request;
  *request.mutable_topology() = topology;
  request.set_prune(prune);
  request.set_dry_run(dry_run);
  return ApplyTo(rig_, request);
}

std::vector<std::string> TopologyTest::MustApply(const std::string& text, bool prune) {
  const auto response = Apply(text, prune);
  EXPECT_THAT(response, IsOk());
  if (!response.ok()) return {};
  EXPECT_FALSE(response->has_error()) << response->error().ShortDebugString();
  return Words(response->changes());
}

std::string TopologyTest::Refusal(const std::string& text, bool prune) {
  const std::string before = Export().DebugString();
  const auto response = Apply(text, prune);
  EXPECT_FALSE(response.ok()) << response->ShortDebugString();
  EXPECT_EQ(Export().DebugString(), before);
  return std::string(response.status().message());
}

v1::Topology TopologyTest::ExportOf(SubscriptionRig& rig) {
  std::promise<absl::StatusOr<v1::ExportTopologyResponse>> outcome;
  rig.broker().topologies().Export(kTester,
                                   [&](absl::StatusOr<v1::ExportTopologyResponse> response) {
                                     outcome.set_value(std::move(response));
                                   });
  absl::StatusOr<v1::ExportTopologyResponse> response = outcome.get_future().get();
  EXPECT_THAT(response, IsOk());
  return response.ok() ? response->topology() : v1::Topology();
}

}  // namespace eventhub
