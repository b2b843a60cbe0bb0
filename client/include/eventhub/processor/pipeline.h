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

// What a step can ask for: values of the unit, and of the units in a group.
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
// A batch is called with units like a group, but they go on one by one.
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

// A rule, begun by `Pipeline("id")` and continued step by step; each step returns the pipeline with
// that step added.
//
// An event becomes a *unit of work*: the event and the values that steps add to it. A value never
// changes once it is added. Steps are functions, function objects or lambdas that are not generic;
// they name what they need in their parameters, by type, and the compiler finds it:
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
// A step can ask for `eventhub::v1::Event`, for `Arrival`, and for each type that a step before it
// has added. After a GroupBy it can ask for `Units<…>` of the group and for what was added since.
//
// Functions run one at a time on the processor's threads, so they need no locks among themselves,
// must not block, and are called through a const reference. What they throw, and an error status
// that they return, is a fault of the unit at hand (see Fault): its event becomes a dead letter.
//
// An event is done in a pipeline when all of its units are: at the end, dropped by a filter, or
// failed. If one fails, nothing is published for the event by this pipeline.
template <typename Scope = internal::EventScope, typename... Steps>
class Pipeline {
 public:
  // `id` names the pipeline in faults, states, counters and the ids of events that it emits. It
  // must be unique in its processor and should never change. 1 to 100 of `a-z A-Z 0-9 . _ -`.
  explicit Pipeline(std::string id) : intake_{.id = std::move(id)} {}

  // The events that it wants: all of these types, or those that pass the filter, which is evaluated
  // here by the rules of the hub. Without On: all that the subscription delivers. (A filter of the
  // subscription saves their delivery, too.)
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

  // Which units pass steps in the order of their events, and have their events published and
  // settled in it: those with the same partition key (the default), those of the same partition, or
  // none. Units wait only for the unit before them, and only in a step where it still is; other
  // units overtake them. Events without a key have no order with kPerKey.
  Pipeline InOrder(client::Order order) && {
    static_assert(sizeof...(Steps) == 0, "InOrder comes before the first step");
    intake_.order = order == client::Order::kDefault ? client::Order::kPerKey : order;
    return std::move(*this);
  }

  // Keeps the units for which `f` returns true. The others are done.
  template <typename F>
  auto Filter(F f) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<Scope>(
        internal::FilterStep<F>{{Numbered("filter")}, std::move(f)});
  }

  // Adds the T that `f` returns, as such or as StatusOr<T>.
  template <typename F>
  auto Map(F f) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<typename internal::Widen<Scope, internal::Added<F>>::Type>(
        internal::MapStep<F>{{Numbered("map")}, std::move(f)});
  }

  // Makes a unit of each T in the std::vector<T> that `f` returns, as such or as StatusOr; it has
  // that T and all values so far. They go on one after another.
  template <typename F>
  auto Split(F f) && {
    Check<internal::ArgumentsOf<F>>();
    using T = typename internal::PartsIn<internal::Added<F>>::Type;
    return std::move(*this).template Add<typename internal::Widen<Scope, T>::Type>(
        internal::SplitStep<F, T>{{Numbered("split")}, std::move(f)});
  }

  // Calls `f`, whose last parameter is a Reply<T>, and waits for the T, which is added; with a
  // Reply<void> nothing is added. `name` appears in faults and states.
  template <typename F>
  auto Call(std::string name, F f, CallOptions options = {}) && {
    using Split = internal::SplitLast<internal::ArgumentsOf<F>>;
    Check<typename Split::Others>();
    using T = typename internal::ReplyIn<typename Split::Last>::Type;
    return std::move(*this).template Add<typename internal::Widen<Scope, T>::Type>(
        internal::CallStep<F, T>{{std::move(name)}, std::move(f), std::move(options)});
  }

  // Adds the T that a service, or a table, has for a key: `key` returns the key, a type with
  // std::hash, and `f`, a function of a key and a Reply<T>, asks for it, like Call. Answers are
  // cached; however many units wait for one key, it is asked for once. T is copied to each unit:
  // let it be a std::shared_ptr<const …> if it is large. For what may be missing let T be a
  // std::optional: then "there is none" is an answer, and is cached, too.
  //
  //     .Lookup("customer", [](const Order& order) { return order.customer; },
  //             [&](const std::string& id, Reply<std::optional<Customer>> reply) {
  //               customers.FindAsync(id, std::move(reply));
  //             })
  //
  // Units with one lane (see InOrder) stay in order, also if the answer for a later one is known.
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

  // Calls `f` with a batch: its parameters are a Units<…>, which it takes by value, and a
  // BatchReply<T>. Each unit goes on with its own T, or fails alone; only those that failed are
  // called again, as a smaller batch. In an ordered pipeline, units with a key are called one batch
  // at a time, with at most one unit of each key: a second one sends the batch off.
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

  // Lets units pass at a limited rate, in the order in which they come. The others wait, and their
  // events hold credit.
  auto RateLimit(Rate rate) && {
    return std::move(*this).template Add<Scope>(
        internal::RateLimitStep{{Numbered("rate limit")}, rate});
  }

  // Drops the units for which `f` returns an id, a std::string, that it has returned for another
  // event before. The same event again, e.g. after its lease expired, is no repetition. See Memory
  // for how far back "before" is. The overload without `f` takes the event's source and id.
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

  // The same for good, among events with one partition key: what came is known in any process, and
  // after any crash, because it is written in the transaction that acks the event and publishes
  // what follows. An event that failed did not come. The conditions are those of Correlate.
  //
  //     Pipeline("charge").SkipRepeats({.state = "charge.seen", .remember = absl::Hours(48)})
  auto SkipRepeats(DurableMemory memory) && {
    static_assert(sizeof...(Steps) == 0, "a durable SkipRepeats is the first step");
    return std::move(*this).template Add<Scope>(
        internal::DurableSkipRepeatsStep{{Numbered("skip repeats")}, std::move(memory)});
  }

  // Drops the units whose Sequence, which `f` returns as such or as StatusOr, is not greater than
  // all before with its key: of what comes late or twice, what is newest remains.
  template <typename F>
  auto SkipOlder(F f, Memory memory = {}) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<Scope>(
        internal::SkipOlderStep<F>{{Numbered("skip older")}, std::move(f), memory});
  }

  // Gathers the units of a window into groups: those for which `f` returns the same key, a type
  // with std::hash. Steps after it see each group as one unit; its events are published as caused
  // by the last of them. The events of a group succeed or fail together, and are settled together:
  // unless `f` returns their partition key, the order of their keys may change there. In an ordered
  // pipeline, groups with the same key stay in order. Only one pipeline of a processor may have a
  // GroupBy or Compact, because windows that overlap would bind ever more events to each other.
  template <typename F>
  auto GroupBy(F f, Window window = {}) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<typename internal::GroupScope<Scope>::Type>(
        internal::GroupStep<F>{{Numbered("group")}, std::move(f), std::move(window)});
  }

  // Of the units of a window with the same key, keeps the last. The others succeed or fail with it.
  template <typename F>
  auto Compact(F f, Window window = {}) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<Scope>(
        internal::CompactStep<F>{{Numbered("compact")}, std::move(f), std::move(window)});
  }

  // Publishes to `topic` what `f` returns: an event, an optional event, or a vector of events, as
  // such or as StatusOr. They are appended in the same transaction in which their cause is acked:
  // exactly once. What `f` leaves empty is filled in:
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
  auto Publish(std::string topic, F f) && {
    Check<internal::ArgumentsOf<F>>();
    std::string number = absl::StrCat(publishes_++);
    return std::move(*this).template Add<Scope>(internal::PublishStep<F>{
        {Numbered("publish")}, std::move(topic), std::move(number), std::move(f)});
  }

  // Writes to `view` what `f` returns: a Row, an optional row, or a vector of rows, as such or as
  // StatusOr. The unit goes on when they are in the view, together with how far in the log it is,
  // or when newer rows are. See view.h for what that guarantees.
  //
  // A row that the view cannot have is a fault. All other errors of the store are none: units wait,
  // the write is tried again until it succeeds, and the state of the pipeline tells.
  //
  // Rows are written in the order in which units reach the step, many in one transaction.
  template <typename F>
  auto Materialize(std::shared_ptr<View> view, F f, MaterializeOptions options = {}) && {
    Check<internal::ArgumentsOf<F>>();
    static_assert(!(Steps::kTimers || ...),
                  "what is read back for a view finds state as it is now: publish, and materialize "
                  "that in another pipeline");
    return std::move(*this).template Add<Scope>(internal::MaterializeStep<F>{
        {Numbered("materialize")}, std::move(view), std::move(f), options});
  }

  // Collects the events with one partition key until `holds`, a function of their Facts that
  // returns a bool, as such or as StatusOr, is true; or until `options.within` has passed since the
  // first. Then the unit goes on with a Correlation, and all others are done here.
  //
  //     Pipeline("fulfil")
  //         .On({"shop.order.placed", "shop.payment.taken", "shop.stock.reserved"})
  //         .Correlate({.state = "fulfilment", .within = absl::Minutes(15)},
  //                    [](const Facts& facts) {
  //                      return facts.Has("shop.order.placed") && facts.Has("shop.payment.taken")
  //                      &&
  //                             facts.Has("shop.stock.reserved");
  //                    })
  //         .Publish("shipping", [](const Correlation& order) {
  //           return order.kind == Correlation::Kind::kComplete ? Ship(order.facts)
  //                                                             : GiveUp(order.facts);
  //         });
  //
  // Guarantee. For each key of each partition of the topic, one Correlation comes of kComplete or
  // kExpired, and what the steps after it publish for it is in the log once: whatever crashes, is
  // delivered twice, moved to another instance, moved back or replayed, from the first event until
  // `options.remember` after the end. What is collected is an event in the hub's state topic,
  // written in the transaction that acks the event and has what it published; so no two of them can
  // part.
  //
  //  - An event counts once, told by its source and id. One that failed here or in a later step
  //    does not count; it does when its dead letter is resubmitted.
  //  - Time is the hub's: an event counts if the hub appended it less than `within` after the
  //    first, however late it is processed. The timer is a delayed event (kTimerType) in the
  //    subscription's topic, with the key, and so behind what was published by then. What expires
  //    is caused by the timer, or by an event that the hub appended too late.
  //  - After the end, events with the key are late until `remember` has passed. Then the key is
  //    forgotten, and begins anew. What is published of the same events then has the same ids.
  //  - Events with one key come together if they are in one partition, which they are unless a
  //    publisher names another or the topic gets more partitions meanwhile. To correlate events of
  //    several topics, or by something else, publish them to a topic of their own with that key.
  //  - Calls in later steps are repeated after a crash, as always.
  //
  // Conditions. The subscription is a STREAM; a filter that it has passes kTimerType. The step is
  // the first, except for On and InOrder, so that timers need not pass others. No pipeline of the
  // processor has a GroupBy or Compact. If the hub or the subscription does not allow what the step
  // needs, units wait, and the state of the pipeline says why.
  //
  // One event of a key is in work at a time, the next after its commit; other keys are not held up.
  template <typename F>
  auto Correlate(CorrelateOptions options, F holds) && {
    static_assert(sizeof...(Steps) == 0, "Correlate is the first step");
    static_assert(std::is_same_v<internal::ArgumentsOf<F>, internal::Types<Facts>>,
                  "the condition is a function of const Facts&");
    static_assert(std::is_same_v<internal::Added<F>, bool>, "the condition is true or false");
    return std::move(*this).template Add<typename internal::Widen<Scope, Correlation>::Type>(
        internal::CorrelateStep<F>{{Numbered("correlate")}, std::move(holds), std::move(options)});
  }

  // Long work over many items, in steps that are short. An event begins a job, whose name is the
  // event's partition key; each step adds the Job as the one before left it, and a Continue says
  // where the next one goes on. What the steps after it publish is published for this one.
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
  // Guarantee. The steps of a job follow one another, and each is in the log once: what it
  // publishes and where the job goes on are one transaction. If something crashes in between, on
  // any instance, the step is taken again from where the one before left off; only calls are made
  // again.
  //
  //  - A step that fails is a dead letter, and the job stands still; when that is resubmitted, the
  //  job
  //    goes on with this step. If it is discarded, cancel the job.
  //  - While a job is running, another event that would begin it is a fault (ALREADY_EXISTS). Once
  //    it has ended, another one begins it anew; the same one does not, until the job is forgotten.
  //  - A job is cancelled between two steps. To cancel what does not run has no effect.
  //  - The topic JobOptions::state tells people where jobs are: the types eventhub.job.running,
  //    .finished and .cancelled, and the attributes `jobsteps` and `jobitems`.
  //  - A step goes on by an event in the subscription's topic (kTimerType), behind what is there:
  //    give jobs a topic of their own, unless it is quiet.
  //
  // Conditions: as for Correlate. What a step publishes has to fit into one transaction.
  auto Job(JobOptions options) && {
    static_assert(sizeof...(Steps) == 0, "Job is the first step");
    return std::move(*this).template Add<typename internal::Widen<Scope, processor::Job>::Type>(
        internal::JobStep{{Numbered("job")}, std::move(options)});
  }

  // Ends a step of the Job: `f` returns a JobProgress, as such or as StatusOr. After a Job, exactly
  // once; steps that make several units of one, or drop some, come after it.
  template <typename F>
  auto Continue(F f) && {
    Check<internal::ArgumentsOf<F>>();
    static_assert((Steps::kJob || ...), "Continue needs a Job before it");
    static_assert(!(Steps::kContinues || ...), "a Job has one Continue");
    static_assert(!((Steps::kDrops || Steps::kBegins) || ...),
                  "Filter, Split and the like come after Continue: the job would not go on");
    static_assert(std::is_same_v<internal::Added<F>, JobProgress>, "it returns a JobProgress");
    return std::move(*this).template Add<Scope>(
        internal::ContinueStep<F>{{Numbered("continue")}, std::move(f)});
  }

  // Calls `f`, which returns nothing or an absl::Status.
  template <typename F>
  auto ForEach(F f) && {
    Check<internal::ArgumentsOf<F>>();
    return std::move(*this).template Add<Scope>(
        internal::ForEachStep<F>{{Numbered("for each")}, std::move(f)});
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

// A complete pipeline of any type. A value; copies share the description. Thread-safe, if its
// functions are.
class AnyPipeline {
 public:
  // Implicit, so that a pipeline can be given wherever one is asked for.
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
