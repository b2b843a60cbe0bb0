// The daemon is killed with SIGKILL while a client seeks subscriptions, takes and restores
// snapshots, replays events, and changes subscriptions, routes, links and topologies: what was
// acknowledged is in effect afterwards, and what was not is in effect completely or not at all.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run, EVENTHUB_TEST_CRASH_ROUNDS makes it longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/crash/crash_rounds.h"
#include "tests/support/env_number.h"
#include "tests/support/hub_calls.h"
#include "tests/support/hub_process.h"
#include "tests/support/subscription_calls.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

constexpr uint32_t kAdminPartitions = 4;
constexpr int kEventsEach = 50;  // Per partition.
constexpr int kNames = 3;        // Of each kind of object.

using Positions = std::array<int64_t, kAdminPartitions>;

uint64_t LagAt(const Positions& positions) {
  uint64_t lag = 0;
  for (const int64_t position : positions) lag += static_cast<uint64_t>(kEventsEach - position);
  return lag;
}

// What the hub must know.
struct AdminModel {
  struct Subscription {
    std::string description;
    Positions positions{};
    Positions replayed{};  // The events before these offsets are replayed.
    std::map<std::string, Positions> snapshots;
  };
  std::map<std::string, Subscription> subscriptions;
  // Descriptions, by name.
  std::map<std::string, std::string> routes;
  std::map<std::string, std::string> links;
  std::map<std::string, std::string> topics;
};

// Each object with its state, as a text.
using AdminState = std::map<std::string, std::string>;

AdminState StateOf(const AdminModel& model) {
  AdminState state;
  for (const auto& [name, subscription] : model.subscriptions) {
    state[absl::StrCat("subscription ", name)] =
        absl::StrCat(subscription.description, " at ", absl::StrJoin(subscription.positions, ","),
                     ", replays ", absl::StrJoin(subscription.replayed, ","));
    for (const auto& [snapshot, positions] : subscription.snapshots) {
      state[absl::StrCat("snapshot ", name, "/", snapshot)] = absl::StrCat(LagAt(positions));
    }
  }
  for (const auto& [name, text] : model.routes) state[absl::StrCat("route ", name)] = text;
  for (const auto& [name, text] : model.links) state[absl::StrCat("link ", name)] = text;
  for (const auto& [name, text] : model.topics) state[absl::StrCat("topic ", name)] = text;
  return state;
}

AdminState StateOf(HubClient& client) {
  AdminState state;
  grpc::ClientContext subscriptions_context;
  v1::ListSubscriptionsResponse subscriptions;
  EXPECT_THAT(client.subscriptions().ListSubscriptions(&subscriptions_context, {}, &subscriptions),
              IsOk());
  for (const v1::SubscriptionSummary& summary : subscriptions.subscriptions()) {
    const std::string& name = summary.subscription().name();
    const v1::GetSubscriptionResponse details = GetSubscription(client, name);
    Positions positions{};
    Positions replayed{};
    for (const v1::SubscriptionPartition& partition : details.partitions()) {
      positions[partition.partition()] = partition.acked_offset();
      replayed[partition.partition()] = static_cast<int64_t>(partition.replay_events());
    }
    EXPECT_EQ(details.stats().lag_events(), LagAt(positions)) << name;
    state[absl::StrCat("subscription ", name)] =
        absl::StrCat(details.subscription().description(), " at ", absl::StrJoin(positions, ","),
                     ", replays ", absl::StrJoin(replayed, ","));
    grpc::ClientContext context;
    v1::ListSnapshotsRequest request;
    v1::ListSnapshotsResponse snapshots;
    request.set_subscription(name);
    EXPECT_THAT(client.subscriptions().ListSnapshots(&context, request, &snapshots), IsOk());
    for (const v1::Snapshot& snapshot : snapshots.snapshots()) {
      state[absl::StrCat("snapshot ", name, "/", snapshot.name())] =
          absl::StrCat(snapshot.lag_events());
    }
  }
  grpc::ClientContext context;
  v1::ExportTopologyResponse exported;
  EXPECT_THAT(client.topologies().ExportTopology(&context, {}, &exported), IsOk());
  for (const v1::Route& route : exported.topology().routes()) {
    state[absl::StrCat("route ", route.name())] = route.description();
  }
  for (const v1::Link& link : exported.topology().links()) {
    state[absl::StrCat("link ", link.name())] = link.description();
  }
  for (const v1::Topic& topic : exported.topology().topics()) {
    // Those of the test, and of dead letters, are not changed.
    if (absl::StartsWith(topic.name(), "topic")) {
      state[absl::StrCat("topic ", topic.name())] = topic.description();
    }
  }
  return state;
}

// Changes a hub until it dies, and knows what must be in effect.
class Administrator {
 public:
  explicit Administrator(uint64_t seed) : random_(seed) {}

  void Run(const std::string& address) {
    HubClient client(address);
    while (!testing::Test::HasFailure() && ChangeSomething(client)) ++changes_;
  }

  // Compares with the restarted hub, and learns the outcome of the change that was in progress.
  void Check(HubClient& client) {
    const AdminState found = StateOf(client);
    const AdminState before = StateOf(model_);
    if (!doubtful_.has_value()) {
      EXPECT_EQ(found, before);
      return;
    }
    const AdminState after = StateOf(*doubtful_);
    if (found == after) {
      model_ = *doubtful_;
    } else if (found != before && in_steps_) {
      LearnSteps(found, before, after);
    } else {
      EXPECT_EQ(found, before) << "and not " << testing::PrintToString(after) << " after " << what_;
    }
    doubtful_.reset();
  }

  int changes() const { return changes_; }

 private:
  uint64_t Pick(uint64_t count) { return random_() % count; }
  std::string Name(const char* kind) { return absl::StrCat(kind, Pick(kNames)); }
  std::string Text() { return absl::StrCat("text", ++texts_); }

  // Makes a random change. Returns false if the hub has died.
  bool ChangeSomething(HubClient& client) {
    switch (Pick(10)) {
      case 0:
        return ChangeRoute(client);
      case 1:
        return ChangeLink(client);
      case 2:
        return Apply(client);
      default:
        return ChangeSubscription(client);
    }
  }

  // Makes one change: `call` makes it at the hub, `after` is the outcome.
  template <typename Call>
  bool Change(const std::string& what, const AdminModel& after, Call call, bool in_steps = false) {
    what_ = what;
    in_steps_ = in_steps;
    doubtful_ = after;
    grpc::ClientContext context;
    const grpc::Status status = call(&context);
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return false;
    EXPECT_THAT(status, IsOk()) << what;
    model_ = after;
    doubtful_.reset();
    return status.ok();
  }

  bool ChangeSubscription(HubClient& client) {
    const std::string name = Name("s");
    AdminModel after = model_;
    v1::SubscriptionService::Stub& stub = client.subscriptions();
    if (!model_.subscriptions.contains(name)) {
      v1::CreateSubscriptionRequest request;
      *request.mutable_subscription() = Pick(2) == 0 ? QueueOf(name) : StreamOf(name);
      request.mutable_start()->set_offset(static_cast<int64_t>(Pick(kEventsEach)));
      AdminModel::Subscription& created = after.subscriptions[name];
      created.description = Text();
      request.mutable_subscription()->set_description(created.description);
      created.positions.fill(request.start().offset());
      return Change("create " + name, after, [&](grpc::ClientContext* context) {
        v1::CreateSubscriptionResponse response;
        return stub.CreateSubscription(context, request, &response);
      });
    }
    AdminModel::Subscription& changed = after.subscriptions[name];
    switch (Pick(9)) {
      case 0:
        after.subscriptions.erase(name);
        return Change("delete " + name, after, [&](grpc::ClientContext* context) {
          v1::DeleteSubscriptionRequest request;
          v1::DeleteSubscriptionResponse response;
          request.set_name(name);
          return stub.DeleteSubscription(context, request, &response);
        });
      case 1:
        changed.description = Text();
        return Change("update " + name, after, [&](grpc::ClientContext* context) {
          v1::UpdateSubscriptionRequest request;
          v1::UpdateSubscriptionResponse response;
          request.mutable_subscription()->set_name(name);
          request.mutable_subscription()->set_description(changed.description);
          request.mutable_update_mask()->add_paths("description");
          return stub.UpdateSubscription(context, request, &response);
        });
      case 2:
      case 3:
        return ChangeSnapshot(client, name, &after);
      case 4:
        return Replay(client, name, &after);
      default:
        return Seek(client, name, &after);
    }
  }

  bool ChangeSnapshot(HubClient& client, const std::string& name, AdminModel* after) {
    AdminModel::Subscription& changed = after->subscriptions[name];
    const std::string snapshot = Name("snapshot");
    if (changed.snapshots.erase(snapshot) > 0) {
      return Change("delete snapshot of " + name, *after, [&](grpc::ClientContext* context) {
        v1::DeleteSnapshotRequest request;
        v1::DeleteSnapshotResponse response;
        request.set_subscription(name);
        request.set_name(snapshot);
        return client.subscriptions().DeleteSnapshot(context, request, &response);
      });
    }
    changed.snapshots[snapshot] = changed.positions;
    return Change("snapshot of " + name, *after, [&](grpc::ClientContext* context) {
      v1::CreateSnapshotRequest request;
      v1::CreateSnapshotResponse response;
      request.set_subscription(name);
      request.set_name(snapshot);
      return client.subscriptions().CreateSnapshot(context, request, &response);
    });
  }

  bool Seek(HubClient& client, const std::string& name, AdminModel* after) {
    AdminModel::Subscription& changed = after->subscriptions[name];
    v1::SeekSubscriptionRequest request;
    request.set_name(name);
    if (!changed.snapshots.empty() && Pick(2) == 0) {
      const auto snapshot = changed.snapshots.begin();
      request.set_snapshot(snapshot->first);
      changed.positions = snapshot->second;
    } else {
      request.mutable_start()->set_offset(static_cast<int64_t>(Pick(kEventsEach)));
      changed.positions.fill(request.start().offset());
      v1::PartitionOffset& other = *request.add_offsets();
      other.set_partition(static_cast<uint32_t>(Pick(kAdminPartitions)));
      other.set_offset(static_cast<int64_t>(Pick(kEventsEach)));
      changed.positions[other.partition()] = other.offset();
    }
    // What is replayed after the new position is live again.
    for (uint32_t p = 0; p < kAdminPartitions; ++p) {
      changed.replayed[p] = std::min(changed.replayed[p], changed.positions[p]);
    }
    return Change("seek " + name, *after, [&](grpc::ClientContext* context) {
      v1::SeekSubscriptionResponse response;
      return client.subscriptions().SeekSubscription(context, request, &response);
    });
  }

  // Replays everything that is settled, or cancels that.
  bool Replay(HubClient& client, const std::string& name, AdminModel* after) {
    AdminModel::Subscription& changed = after->subscriptions[name];
    if (changed.replayed != Positions()) {
      changed.replayed = {};
      return Change(
          "cancel replays of " + name, *after,
          [&](grpc::ClientContext* context) {
            v1::CancelReplaysRequest request;
            v1::CancelReplaysResponse response;
            request.set_name(name);
            return client.subscriptions().CancelReplays(context, request, &response);
          },
          /*in_steps=*/true);
    }
    changed.replayed = changed.positions;
    return Change(
        "replay " + name, *after,
        [&](grpc::ClientContext* context) {
          v1::ReplaySubscriptionRequest request;
          v1::ReplaySubscriptionResponse response;
          request.set_name(name);
          request.mutable_start()->set_earliest(true);
          return client.subscriptions().ReplaySubscription(context, request, &response);
        },
        /*in_steps=*/true);
  }

  bool ChangeRoute(HubClient& client) {
    AdminModel after = model_;
    const std::string name = Name("r");
    const auto delete_route = [&](grpc::ClientContext* context) {
      v1::DeleteRouteRequest request;
      v1::DeleteRouteResponse response;
      request.set_name(name);
      return client.routes().DeleteRoute(context, request, &response);
    };
    if (after.routes.contains(name) && Pick(2) == 0) {
      after.routes.erase(name);
      return Change("delete " + name, after, delete_route);
    }
    const bool is_new = !after.routes.contains(name);
    v1::Route route = RouteNamed(name);
    after.routes[name] = route.description();
    return Change("change " + name, after, [&](grpc::ClientContext* context) {
      if (is_new) {
        v1::CreateRouteRequest request;
        v1::CreateRouteResponse response;
        *request.mutable_route() = route;
        return client.routes().CreateRoute(context, request, &response);
      }
      v1::UpdateRouteRequest request;
      v1::UpdateRouteResponse response;
      *request.mutable_route() = route;
      request.mutable_update_mask()->add_paths("description");
      return client.routes().UpdateRoute(context, request, &response);
    });
  }

  bool ChangeLink(HubClient& client) {
    AdminModel after = model_;
    const std::string name = Name("l");
    if (after.links.contains(name) && Pick(2) == 0) {
      after.links.erase(name);
      return Change("delete " + name, after, [&](grpc::ClientContext* context) {
        v1::DeleteLinkRequest request;
        v1::DeleteLinkResponse response;
        request.set_name(name);
        return client.links().DeleteLink(context, request, &response);
      });
    }
    const bool is_new = !after.links.contains(name);
    v1::Link link = LinkNamed(name);
    after.links[name] = link.description();
    return Change("change " + name, after, [&](grpc::ClientContext* context) {
      if (is_new) {
        v1::CreateLinkRequest request;
        v1::CreateLinkResponse response;
        *request.mutable_link() = link;
        return client.links().CreateLink(context, request, &response);
      }
      v1::UpdateLinkRequest request;
      v1::UpdateLinkResponse response;
      *request.mutable_link() = link;
      request.mutable_update_mask()->add_paths("description");
      return client.links().UpdateLink(context, request, &response);
    });
  }

  // Applies a topology with new texts for one topic, one route and one link, in any order.
  bool Apply(HubClient& client) {
    AdminModel after = model_;
    v1::ApplyTopologyRequest request;
    v1::Topic& topic = *request.mutable_topology()->add_topics();
    topic.set_name(Name("topic"));
    topic.set_description(Text());
    after.topics[topic.name()] = topic.description();
    v1::Route& route = *request.mutable_topology()->add_routes();
    route = RouteNamed(Name("r"));
    after.routes[route.name()] = route.description();
    v1::Link& link = *request.mutable_topology()->add_links();
    link = LinkNamed(Name("l"));
    after.links[link.name()] = link.description();
    return Change(
        "apply", after,
        [&](grpc::ClientContext* context) {
          v1::ApplyTopologyResponse response;
          const grpc::Status status =
              client.topologies().ApplyTopology(context, request, &response);
          if (!status.ok() || !response.has_error()) return status;
          return grpc::Status(static_cast<grpc::StatusCode>(response.error().code()),
                              response.error().message());
        },
        /*in_steps=*/true);
  }

  v1::Route RouteNamed(const std::string& name) {
    v1::Route route;
    route.set_name(name);
    route.set_source_topic("t");
    route.add_target_topics("target");
    route.set_description(Text());
    return route;
  }

  v1::Link LinkNamed(const std::string& name) {
    v1::Link link;
    link.set_name(name);
    link.set_remote_address("unix:/nowhere");
    link.set_remote_topic("t");
    link.set_local_topic("target");
    link.set_description(Text());
    return link;
  }

  // Each object is as before or as after; a replay may be in part.
  void LearnSteps(const AdminState& found, const AdminState& before, const AdminState& after) {
    AdminState learnt = before;
    for (const auto& [name, text] : after) {
      const auto at = found.find(name);
      if (at != found.end() && at->second == text) learnt[name] = text;
    }
    if (what_ == "apply") {
      EXPECT_EQ(found, learnt) << what_;
      const auto learn = [&](const char* kind, std::map<std::string, std::string>* objects) {
        for (auto& [name, text] : *objects) text = learnt[absl::StrCat(kind, " ", name)];
        std::erase_if(*objects, [](const auto& object) { return object.second.empty(); });
      };
      model_ = *doubtful_;
      learn("topic", &model_.topics);
      learn("route", &model_.routes);
      learn("link", &model_.links);
      return;
    }
    for (auto& [name, subscription] : model_.subscriptions) {
      const std::string key = absl::StrCat("subscription ", name);
      const std::string prefix =
          absl::StrCat(subscription.description, " at ", absl::StrJoin(subscription.positions, ","),
                       ", replays ");
      ASSERT_TRUE(found.contains(key)) << key;
      const std::string& text = found.at(key);
      ASSERT_EQ(text.substr(0, prefix.size()), prefix) << what_;
      const std::vector<std::string> counts = absl::StrSplit(text.substr(prefix.size()), ',');
      ASSERT_EQ(counts.size(), kAdminPartitions);
      for (uint32_t p = 0; p < kAdminPartitions; ++p) {
        ASSERT_TRUE(absl::SimpleAtoi(counts[p], &subscription.replayed[p]));
      }
    }
    EXPECT_EQ(found, StateOf(model_)) << what_;
  }

  std::mt19937_64 random_;
  int texts_ = 0;
  int changes_ = 0;
  AdminModel model_;
  // The change in progress, and its outcome.
  std::optional<AdminModel> doubtful_;
  std::string what_;
  bool in_steps_ = false;
};

TEST(AdminCrashTest, AcknowledgedChangesAreInEffect) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()());
  CrashRounds rounds(12);
  std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  TempDirectory directory;
  HubProcess hub(directory.path());
  hub.Start();
  {
    HubClient client(hub.address());
    CreateTopic(client, "t", kAdminPartitions);
    CreateTopic(client, "target");
    for (uint32_t partition = 0; partition < kAdminPartitions; ++partition) {
      v1::PublishRequest request = MakePublish("t", kEventsEach);
      request.set_partition(partition);
      Publish(client, request);
    }
  }
  Administrator administrator(random());
  while (rounds.Next(administrator.changes() > 20)) {
    std::thread thread([&] { administrator.Run(hub.address()); });
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 500));
    hub.Kill();
    thread.join();
    hub.Start();
    HubClient client(hub.address());
    administrator.Check(client);
  }
  std::cout << administrator.changes() << " changes, " << rounds.begun() << " crashes" << std::endl;
}

}  // namespace
}  // namespace eventhub
