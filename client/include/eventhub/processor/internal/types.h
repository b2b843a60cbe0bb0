// Lists of types, and the parameter types of functions.
#pragma once

#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace eventhub::processor::internal {

template <typename... Ts>
struct Types {};

template <typename T, typename List>
inline constexpr bool kHas = false;
template <typename T, typename... Ts>
inline constexpr bool kHas<T, Types<Ts...>> = (std::is_same_v<T, Ts> || ...);

template <typename List, typename T>
struct AppendTo;
template <typename... Ts, typename T>
struct AppendTo<Types<Ts...>, T> {
  using Type = Types<Ts..., T>;
};
template <typename... Ts>
struct AppendTo<Types<Ts...>, void> {
  using Type = Types<Ts...>;
};
template <typename List, typename T>
using Append = typename AppendTo<List, T>::Type;

// The parameters of a function, a function object or a lambda that is not generic, without
// references and const.
template <typename F>
struct Signature : Signature<decltype(&F::operator())> {};
template <typename R, typename... As>
struct Signature<R (*)(As...)> {
  using Arguments = Types<std::remove_cvref_t<As>...>;
  using Result = R;
};
template <typename R, typename... As>
struct Signature<R (*)(As...) noexcept> : Signature<R (*)(As...)> {};
template <typename C, typename R, typename... As>
struct Signature<R (C::*)(As...) const> : Signature<R (*)(As...)> {};
template <typename C, typename R, typename... As>
struct Signature<R (C::*)(As...) const noexcept> : Signature<R (*)(As...)> {};

template <typename F>
using ArgumentsOf = typename Signature<F>::Arguments;
template <typename F>
using ResultOf = typename Signature<F>::Result;

// The type that a step with the result R adds: T for T and StatusOr<T>; void for void and Status.
template <typename R>
struct AddedBy {
  using Type = std::remove_cvref_t<R>;
};
template <>
struct AddedBy<absl::Status> {
  using Type = void;
};
template <typename T>
struct AddedBy<absl::StatusOr<T>> {
  using Type = T;
};
template <typename F>
using Added = typename AddedBy<ResultOf<F>>::Type;

// Splits off the last type of a list.
template <typename... Ts>
struct LastOf;
template <typename T>
struct LastOf<T> {
  using Last = T;
  using Others = Types<>;
};
template <typename T, typename... Ts>
struct LastOf<T, Ts...> {
  template <typename List>
  struct Prepend;
  template <typename... Us>
  struct Prepend<Types<Us...>> {
    using Type = Types<T, Us...>;
  };
  using Last = typename LastOf<Ts...>::Last;
  using Others = typename Prepend<typename LastOf<Ts...>::Others>::Type;
};
template <typename List>
struct SplitLast;
template <typename... Ts>
struct SplitLast<Types<Ts...>> : LastOf<Ts...> {};

}  // namespace eventhub::processor::internal
