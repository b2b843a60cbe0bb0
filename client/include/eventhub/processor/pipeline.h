// Pipelines: rules over the events of a subscription, written as a chain of steps.
//
// A pipeline is a description. processor.h runs it over a subscription, testing.h over the events
// of a test.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/filter.h"
#include "eventhub/processor/arrival.h"
#include "eventhub/processor/call.h"
#include "eventhub/processor/correlate.h"
#include "eventhub/processor/internal/spec.h"
#include "eventhub/processor/internal/steps.h"
#include "eventhub/processor/job.h"
#include "eventhub/processor/units.h"
#include "eventhub/processor/view.h"
#include "eventhub/subscriber.h"

namespace eventhub::processor {

namespace internal {

// The types that a step can ask for: values of the unit, and of the units in a group.
template <typename Values, typename Members>
struct Scope {};
using EventScope = Scope<Types<v1::Event, Arrival>, Types<>>;

template <typename Scope, typename T>
inline constexpr bool kCanAsk = false;
template <typename Values, typename Members, typename T>
inline constexpr bool kCanAsk<Scope<Values, Members>, T> = kHas<T, Values>;
template <typename Values, typename Members, typename... Ts>
inline constexpr bool kCanAsk<Scope<Values, Members>, Units<Ts...>> = (kHas<Ts, Members> && ...);

template <typename Scope, typename Arguments>
inline constexpr bool kCanCall = false;
template <typename Scope, typename... As>
inline constexpr bool kCanCall<Scope, Types<As...>> = (kCanAsk<Scope, As> && ...);

template <typename S, typename T>
struct Widen;
template <typename Values, typename Members, typename T>
struct Widen<Scope<Values, Members>, T> {
  static_assert(!kHas<T, Values>,
                "a step before this one adds a value of the same type: wrap one in a struct");
  using Type = Scope<Append<Values, T>, Members>;
};
template <typename Values, typename Members>
struct Widen<Scope<Values, Members>, void> {
  using Type = Scope<Values, Members>;
};

template <typename S>
struct GroupScope;
template <typename Values>
struct GroupScope<Scope<Values, Types<>>> {
  using Type = Scope<Types<>, Values>;
};
// A batch is called with units like a group, but its units go on one by one.
template <typename S>
struct BatchScope;
template <typename Values, typename Members>
struct BatchScope<Scope<Values, Members>> {
  using Type = Scope<Types<>, Values>;
};

template <typename T>
struct ReplyIn;
template <typename T>
struct ReplyIn<Reply<T>> {
  using Type = T;
};
template <typename T>
struct ReplyIn<BatchReply<T>> {
  using Type = T;
};

template <typename Result>
struct PartsIn;
template <typename T>
struct PartsIn<std::vector<T>> {
  using Type = T;
};

}  // namespace internal

// A rule. `Pipeline("id")` begins it; each step returns the pipeline with that step added.
//
// A *unit of work* is an event and the values that steps have added to it. A value never changes
// after it is added. Steps are functions, function objects or non-generic lambdas. They declare the
// values that they need as parameters, by type:
//
//     Pipeline("large-orders")
//         .On({"shop.order.placed"})
//         .Map(ParseOrder)  // absl::StatusOr<Order> ParseOrder(const eventhub::v1::Event& event)
//         .Filter([](const Order& order) { return order.cents > 100'000; })
//         .Call("score",
//               [&](const Order& order, Reply<Score> reply) {
//                 scorer.ScoreAsync(order.customer, std::move(reply));
//               },
//               {.parallel = 64})
//         .Publish("reviews", [](const Order& order, const Score& score) {
//           return ReviewOf(order, score);
//         })
//
// A step can ask for `eventhub::v1::Event`, for `Arrival`, and for each type that an earlier step
// has added. After a GroupBy it can ask for `Units<…>` of the group and for values added since.
//
// Functions run one at a time on the processor's threads, so they need no locks among themselves.
// They must not block, and are called through a const reference. A transient error that they return
// is retried (see StepOptions). Any other error, the last failure of a retried one, or an exception
// is a fault of the current unit (see Fault): its event becomes a dead letter.
//
// An event is done in a pipeline when all of its units are done: at the end of the pipeline,
// dropped by a filter, or failed. If one unit fails, the pipeline publishes nothing for the event.
template <typename Scope = internal::EventScope, typename... Steps>
class Pipeline {
 public:
  // `id` names the pipeline in faults, states, counters and the ids of events that it emits. It
  // must be unique in its processor and should never change. 1 to 100 characters of
  // `a-z A-Z 0-9 . _ -`.
  explicit Pipeline(std::string id) : intake_{.id = std::move(id)} {}

  // Selects events: those of these types, or those that pass the filter, which is evaluated in this
  // process by the rules of the hub. Without On, the pipeline takes all events that the
  // subscription delivers. (A filter of the subscription also saves the delivery of other events.)
  Pipeline On(std::vector<std::string> types) && {
    std::vector<client::Filter> any;
    for (std::string& type : types)
      any.push_back(client::Filter::Exact({{"type", std::move(type)}}));
    return std::move(*this).On(client::Filter::Any(any));
  }
  Pipeline On(client::Filter filter) && {
    static_assert(sizeof...(Steps) == 0, "On comes before the first step");
    intake_.filter = std::move(filter);
    return std::move(*this);
  }

  // Sets which units keep the order of their events, in each step and when their events are
  // published and settled: units with the same partition key (the default), units of the same
  // partition, or none. A unit waits only for its predecessor, and only in the step where the
  // predecessor still is; other units may overtake it. With kPerKey, events without a key have no
  // order.
  Pipeline InOrder(client::Order order) && {
    static_assert(sizeof...(Steps) == 0, "InOrder comes before the first step");
    intake_.order = order == client::Order::kDefault ? client::Order::kPerKey : order;
    return std::move(*this);
  }

  // Keeps the units for which `f` returns true. All other units are done.
  template <typename F>
  auto Filter(F f) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<Scope>(
        internal::FilterStep<F>{{Numbered("filter")}, std::move(f)});
  }

  // Adds the T that `f` returns. `f` returns a T or a StatusOr<T>. After a transient error, `f` is
  // called again later, see StepOptions. The same is true of all steps that take such options.
  template <typename F>
  auto Map(F f, StepOptions options = {}) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<typename internal::Widen<Scope, internal::Added<F>>::Type>(
        internal::MapStep<F>{
            {Numbered("map")}, std::move(f), internal::MappingOf(std::move(options))});
  }

  // Makes a unit of each T in the std::vector<T>, or StatusOr of one, that `f` returns. Each new
  // unit has its T and all values so far. The new units go on one after another.
  template <typename F>
  auto Split(F f, StepOptions options = {}) && {
    Check<internal::ArgumentsOf<F>>();
    using T = typename internal::PartsIn<internal::Added<F>>::Type;
    return std::move(*this).template Add<typename internal::Widen<Scope, T>::Type>(
        internal::SplitStep<F, T>{
            {Numbered("split")}, std::move(f), internal::MappingOf(std::move(options))});
  }

  // Calls `f`, whose last parameter is a Reply<T>, waits for the T, and adds it. With a Reply<void>
  // nothing is added. `name` appears in faults and states.
  template <typename F>
  auto Call(std::string name, F f, CallOptions options = {}) && {
    using Split = internal::SplitLast<internal::ArgumentsOf<F>>;
    Check<typename Split::Others>();
    using T = typename internal::ReplyIn<typename Split::Last>::Type;
    return std::move(*this).template Add<typename internal::Widen<Scope, T>::Type>(
        internal::CallStep<F, T>{{std::move(name)}, std::move(f), std::move(options)});
  }

  // Adds the T that a service or a table has for a key. `key` returns the key, a type with
  // std::hash. `f`, a function of a key and a Reply<T>, asks for the T, like Call. Answers are
  // cached, and units that wait for the same key share one call. T is copied to each unit, so use a
  // std::shared_ptr<const …> if it is large. If a key may have no T, use a std::optional: "no
  // value" is then an answer, and is cached as well.
  //
  //     .Lookup("customer", [](const Order& order) { return order.customer; },
  //             [&](const std::string& id, Reply<std::optional<Customer>> reply) {
  //               customers.FindAsync(id, std::move(reply));
  //             })
  //
  // Units of one lane (see InOrder) stay in order, even if the answer for a later one is cached.
  template <typename K, typename F>
  auto Lookup(std::string name, K key, F f, LookupOptions options = {}) && {
    Check<internal::ArgumentsOf<K>>();
    using Split = internal::SplitLast<internal::ArgumentsOf<F>>;
    static_assert(std::is_same_v<typename Split::Others,
                                 internal::Types<std::remove_cvref_t<internal::ResultOf<K>>>>,
                  "a lookup asks with the key alone, and a Reply");
    using T = typename internal::ReplyIn<typename Split::Last>::Type;
    static_assert(!std::is_void_v<T>, "a lookup has an answer");
    return std::move(*this).template Add<typename internal::Widen<Scope, T>::Type>(
        internal::LookupStep<K, F, T>{
            {std::move(name)}, std::move(key), std::move(f), std::move(options)});
  }

  // Calls `f` with a batch: its parameters are a Units<…>, taken by value, and a BatchReply<T>.
  // Each unit goes on with its own T, or fails alone; only failed units are called again, as a
  // smaller batch. In an ordered pipeline, units with a key are called one batch at a time, and a
  // batch has at most one unit of each key: when a second one arrives, the batch is sent.
  template <typename F>
  auto CallBatch(std::string name, F f, Window window = {}, CallOptions options = {}) && {
    using Split = internal::SplitLast<internal::ArgumentsOf<F>>;
    static_assert(
        internal::kCanCall<typename internal::BatchScope<Scope>::Type, typename Split::Others>,
        "a batch asks for Units<…> of values that steps before it have added");
    using T = typename internal::ReplyIn<typename Split::Last>::Type;
    return std::move(*this).template Add<typename internal::Widen<Scope, T>::Type>(
        internal::CallBatchStep<F, T>{
            {std::move(name)}, std::move(f), std::move(window), std::move(options)});
  }

  // Limits the rate of units, which pass in the order of their arrival. Units that wait hold the
  // credit of their events.
  auto RateLimit(Rate rate) && {
    return std::move(*this).template Add<Scope>(
        internal::RateLimitStep{{Numbered("rate limit")}, rate});
  }

  // Drops the units for which `f` returns an id, a std::string, that it has returned for another
  // event before. A redelivery of the same event, e.g. after its lease expired, is not dropped.
  // Memory limits how far back ids are remembered. The overload without `f` uses the event's source
  // and id.
  template <typename F>
  auto SkipRepeats(F f, Memory memory = {}) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<Scope>(
        internal::SkipRepeatsStep<F>{{Numbered("skip repeats")}, std::move(f), memory});
  }
  auto SkipRepeats(Memory memory = {}) && {
    return std::move(*this).SkipRepeats(
        [](const v1::Event& event) {
          return absl::StrCat(event.source().size(), ":", event.source(), event.id());
        },
        memory);
  }

  // The same, durably, among events with one partition key. The ids are known in every process and
  // after a crash, because they are written in the transaction that acks the event and publishes
  // its results. The id of a failed event is not recorded. The conditions are those of Correlate.
  //
  //     Pipeline("charge").SkipRepeats({.state = "charge.seen", .remember = absl::Hours(48)})
  auto SkipRepeats(DurableMemory memory) && {
    static_assert(sizeof...(Steps) == 0, "a durable SkipRepeats is the first step");
    return std::move(*this).template Add<Scope>(
        internal::DurableSkipRepeatsStep{{Numbered("skip repeats")}, std::move(memory)});
  }

  // Drops the units whose Sequence is not greater than those of all earlier units with its key, and
  // so late and repeated events. `f` returns a Sequence or a StatusOr of one.
  template <typename F>
  auto SkipOlder(F f, Memory memory = {}, StepOptions options = {}) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<Scope>(internal::SkipOlderStep<F>{
        {Numbered("skip older")}, std::move(f), memory, internal::MappingOf(std::move(options))});
  }

  // Combines the units of a window for which `f` returns the same key, a type with std::hash, into
  // groups. Later steps see each group as one unit; events that it publishes name the last event of
  // the group as their cause. The events of a group succeed or fail together, and are settled
  // together. So the order of partition keys may change here, unless `f` returns the partition key.
  // In an ordered pipeline, groups with the same key stay in order. Only one pipeline of a
  // processor may have a GroupBy or Compact, because overlapping windows would tie ever more events
  // together.
  template <typename F>
  auto GroupBy(F f, Window window = {}) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<typename internal::GroupScope<Scope>::Type>(
        internal::GroupStep<F>{{Numbered("group")}, std::move(f), std::move(window)});
  }

  // Keeps the last of the units of a window that have the same key. The others succeed or fail with
  // it.
  template <typename F>
  auto Compact(F f, Window window = {}) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<Scope>(
        internal::CompactStep<F>{{Numbered("compact")}, std::move(f), std::move(window)});
  }

  // Publishes to `topic` what `f` returns: an event, an optional event, a vector of events, or a
  // StatusOr of one of these. The transaction that acks their cause appends them: exactly once.
  // Attributes that `f` leaves empty are filled in:
  //
  //   id             the id of the cause, the pipeline and a number: the same on each attempt
  //   source         ProcessorOptions::source
  //   partition_key  that of the cause
  //   causationid    the id of the cause
  //   correlationid  that of the cause or, if it has none, its id
  //   traceparent, tracestate  those of the cause
  //
  // An event that the hub would not accept is a fault.
  template <typename F>
  auto Publish(std::string topic, F f, StepOptions options = {}) && {
    Check<internal::ArgumentsOf<F>>();
    std::string number = absl::StrCat(publishes_++);
    return std::move(*this).template Add<Scope>(
        internal::PublishStep<F>{{Numbered("publish")},
                                 std::move(topic),
                                 std::move(number),
                                 std::move(f),
                                 internal::MappingOf(std::move(options))});
  }

  // Writes to `view` what `f` returns: a Row, an optional row, a vector of rows, or a StatusOr of
  // one of these. The unit goes on when the view has these rows, or newer ones, and its position in
  // the log is committed with them. See view.h for the guarantees.
  //
  // A row that the store refuses is a fault. If a function that takes part in the transaction
  // (`in_transaction`) fails permanently, that is a fault of the events that cause the failure, and
  // of no others. Other errors of the store are not faults: units wait, the write is repeated until
  // it succeeds, and the state of the pipeline reports the error.
  //
  // Rows are written in the order in which units reach the step, many in one transaction.
  template <typename F>
  auto Materialize(std::shared_ptr<View> view, F f, MaterializeOptions options = {}) && {
    Check<internal::ArgumentsOf<F>>();
    static_assert(!(Steps::kTimers || ...),
                  "Materialize cannot follow a step with state in the hub, because events are read "
                  "back for a view later: publish, and materialize in another pipeline");
    CallOptions mapping = internal::MappingOf({options.retry, options.breaker});
    return std::move(*this).template Add<Scope>(
        internal::MaterializeStep<F>{{Numbered("materialize")},
                                     std::move(view),
                                     std::move(f),
                                     std::move(options),
                                     std::move(mapping)});
  }

  // Collects the events with one partition key until the condition holds, or until `options.within`
  // has passed since the first event. Then the unit goes on with a Correlation; all other units are
  // done here. `holds`, the condition, is a function of Facts that returns a bool or a StatusOr of
  // one.
  //
  //     Pipeline("fulfil")
  //         .On({"shop.order.placed", "shop.payment.taken", "shop.stock.reserved"})
  //         .Correlate({.state = "fulfilment", .within = absl::Minutes(15)},
  //                    [](const Facts& facts) {
  //                      return facts.Has("shop.order.placed") &&
  //                             facts.Has("shop.payment.taken") &&
  //                             facts.Has("shop.stock.reserved");
  //                    })
  //         .Publish("shipping", [](const Correlation& order) {
  //           return order.kind == Correlation::Kind::kComplete ? Ship(order.facts)
  //                                                             : GiveUp(order.facts);
  //         });
  //
  // Guarantee. Each key of each partition of the topic gets one Correlation of kComplete or
  // kExpired, and the events that later steps publish for it are in the log once. This holds
  // despite crashes, redeliveries, moves to another instance, seeks back and replays, from the
  // first event until `options.remember` after the end. The collected events are stored as an event
  // in the state topic of the hub. The transaction that acks an event also writes the state and the
  // published events, so these cannot diverge.
  //
  //  - An event counts once; source and id identify it. An event that failed, here or in a later
  //    step, does not count until its dead letter is resubmitted.
  //  - Time is the hub's. An event counts if the hub appended it less than `within` after the first
  //    one, however late it is processed. The timer is a delayed event (kTimerType) in the topic of
  //    the subscription, with the same key, so it follows all events published before it was due.
  //    The cause of an expiry is the timer, or an event that the hub appended too late.
  //  - After the end, events with the key are late until `remember` has passed. Then the key is
  //    forgotten, and a further event begins a new correlation. If the same events come again, the
  //    events published for them have the same ids.
  //  - Events with one key are correlated if they are in one partition. They are, unless a
  //    publisher names another partition. (If the topic gets more partitions, see
  //    CorrelateOptions::state.) To correlate events of several topics, or by another key, publish
  //    them to a topic of their own with that key.
  //  - After a crash, calls in later steps are repeated, as in any pipeline.
  //
  // Conditions. The subscription is a STREAM, and its filter, if any, passes kTimerType. The step
  // is the first one after On and InOrder, so that timers need not pass other steps. No pipeline of
  // the processor has a GroupBy or Compact. If the hub or the subscription does not support the
  // step, units wait, and the state of the pipeline says why.
  //
  // Events of one key are processed one at a time, each after the commit of the one before. Other
  // keys do not wait.
  template <typename F>
  auto Correlate(CorrelateOptions options, F holds) && {
    static_assert(sizeof...(Steps) == 0, "Correlate is the first step");
    static_assert(std::is_same_v<internal::ArgumentsOf<F>, internal::Types<Facts>>,
                  "the condition is a function of const Facts&");
    static_assert(std::is_same_v<internal::Added<F>, bool>, "the condition is true or false");
    CallOptions mapping = internal::MappingOf(options.condition);
    return std::move(*this).template Add<typename internal::Widen<Scope, Correlation>::Type>(
        internal::CorrelateStep<F>{
            {Numbered("correlate")}, std::move(holds), std::move(options), std::move(mapping)});
  }

  // Divides long work over many items into short steps. An event starts a job, whose name is the
  // event's partition key. Each step of the job runs the pipeline from here: it adds the Job as the
  // previous step left it, and a Continue says where the next step continues. Events that later
  // steps of the pipeline publish belong to the current step of the job.
  //
  //     Pipeline("reprice")
  //         .On({"shop.prices.changed", "shop.prices.kept"})
  //         .Job({.state = "reprice.jobs", .cancel = {"shop.prices.kept"}})
  //         .Call("articles",
  //               [&](const Job& job, Reply<Page> reply) {
  //                 articles.ReadAfter(job.continuation, 100, std::move(reply));
  //               })
  //         .Continue([](const Page& page) {
  //           if (page.articles.empty()) return JobProgress::Finished();
  //           return JobProgress{.continuation = page.articles.back().id,
  //                              .items = page.articles.size()};
  //         })
  //         .Split([](const Page& page) { return page.articles; })
  //         .Publish("prices", PriceOf);
  //
  // Guarantee. The steps of a job run one after another, and each is in the log once: one
  // transaction publishes its events and records where the job continues. After a crash, any
  // instance repeats the interrupted step from the recorded position; only its calls are repeated.
  //
  //  - If a step fails, its event becomes a dead letter and the job stops. When the dead letter is
  //    resubmitted, the job continues with this step. If it is discarded, cancel the job.
  //  - While a job is running, another event that would start it is a fault (ALREADY_EXISTS). After
  //    the job has ended, another event starts it again; the same event does so only after the job
  //    is forgotten.
  //  - A job is cancelled between two steps. Cancelling a job that does not run has no effect.
  //  - The topic JobOptions::state shows the progress of jobs: the types eventhub.job.running,
  //    .finished and .cancelled, and the attributes `jobsteps` and `jobitems`.
  //  - An event in the topic of the subscription (kTimerType) starts the next step, after all
  //    events that are there already. So give jobs a topic of their own, unless the topic is quiet.
  //
  // Conditions: as for Correlate. The events of a step must fit into one transaction.
  auto Job(JobOptions options) && {
    static_assert(sizeof...(Steps) == 0, "Job is the first step");
    return std::move(*this).template Add<typename internal::Widen<Scope, processor::Job>::Type>(
        internal::JobStep{{Numbered("job")}, std::move(options)});
  }

  // Ends a step of the Job: `f` returns a JobProgress or a StatusOr of one. Required exactly once
  // after a Job. Steps that split or drop units come after it.
  template <typename F>
  auto Continue(F f, StepOptions options = {}) && {
    Check<internal::ArgumentsOf<F>>();
    static_assert((Steps::kJob || ...), "Continue needs a Job before it");
    static_assert(!(Steps::kContinues || ...), "a Job has one Continue");
    static_assert(!((Steps::kDrops || Steps::kBegins) || ...),
                  "Filter, Split and the like come after Continue: the job would not go on");
    static_assert(std::is_same_v<internal::Added<F>, JobProgress>, "it returns a JobProgress");
    return std::move(*this).template Add<Scope>(internal::ContinueStep<F>{
        {Numbered("continue")}, std::move(f), internal::MappingOf(std::move(options))});
  }

  // Calls `f`, which returns nothing or an absl::Status.
  template <typename F>
  auto ForEach(F f, StepOptions options = {}) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<Scope>(internal::ForEachStep<F>{
        {Numbered("for each")}, std::move(f), internal::MappingOf(std::move(options))});
  }

 private:
  template <typename S, typename... More>
  friend class Pipeline;
  friend class AnyPipeline;

  Pipeline(internal::Intake intake, size_t publishes, std::tuple<Steps...> steps)
      : intake_(std::move(intake)), publishes_(publishes), steps_(std::move(steps)) {}

  template <typename Arguments>
  static constexpr void Check() {
    static_assert(internal::kCanCall<Scope, Arguments>,
                  "this step asks for a value that no step before it has added");
  }

  static std::string Numbered(const char* kind) {
    return absl::StrCat(kind, " ", sizeof...(Steps) + 1);
  }

  template <typename NewScope, typename S>
  Pipeline<NewScope, Steps..., S> Add(S step) && {
    return {std::move(intake_), publishes_,
            std::tuple_cat(std::move(steps_), std::tuple<S>(std::move(step)))};
  }

  internal::Intake intake_;
  size_t publishes_ = 0;
  std::tuple<Steps...> steps_;
};

Pipeline(std::string)->Pipeline<>;

// A complete pipeline of any type. A value; copies share the description. Thread-safe if its
// functions are.
class AnyPipeline {
 public:
  // Implicit, so that a Pipeline can be passed as an AnyPipeline.
  template <typename Scope, typename... Steps>
  AnyPipeline(Pipeline<Scope, Steps...> pipeline)
      : spec_(std::make_shared<internal::TypedSpec<Steps...>>(std::move(pipeline.intake_),
                                                              std::move(pipeline.steps_))) {
    static_assert(!(Steps::kJob || ...) || (Steps::kContinues || ...),
                  "a Job needs a Continue, which says where it goes on");
  }

  const std::string& id() const { return spec_->intake().id; }
  const internal::Spec& spec() const { return *spec_; }

 private:
  std::shared_ptr<const internal::Spec> spec_;
};

}  // namespace eventhub::processor
