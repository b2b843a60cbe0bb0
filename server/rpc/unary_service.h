// The base of services: registers their unary methods, so that all of them receive requests alike.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/core/base/caller.h"
#include "server/rpc/calls.h"
#include "server/rpc/request_bounds.h"
#include "server/rpc/unary_call.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// The types of a method, from those of the function that serves it.
template <typename Function>
struct UnaryTypes : UnaryTypes<decltype(&Function::operator())> {};
template <typename Function, typename Q, typename R>
struct UnaryTypes<absl::StatusOr<R> (Function::*)(const Caller&, const Q&) const> {
  using Request = Q;
  using Response = R;
};
template <typename Function, typename Q, typename R>
struct UnaryTypes<void (Function::*)(const Caller&, const Q&, Reply<R>) const> {
  using Request = Q;
  using Response = R;
};
template <typename Function, typename Q, typename R>
struct UnaryTypes<void (Function::*)(const Caller&, Q&&, Reply<R>) const> {
  using Request = Q;
  using Response = R;
};

// The index of the unary method with these types; there is exactly one.
int IndexOfMethod(absl::string_view service, const google::protobuf::Descriptor& request,
                  const google::protobuf::Descriptor& response);

// `Api` is the generated class of the service; `Base` is derived from Api::Service, and has the
// methods that stream.
//
// If gRPC parsed the requests, it would do so before the hub knows of the call. A raw method gets
// the bytes instead. gRPC generates a class for each raw method; this does the same for all methods
// of a service, from one list of functions.
template <typename Api, typename Base = typename Api::Service>
class UnaryService : public Base {
 protected:
  explicit UnaryService(const Calls& calls) : calls_(calls) {}

  // Serves the method with the request and response types of `method`, a function that either
  // returns the response or is called with a Reply:
  //
  //     absl::StatusOr<Response> (const Caller&, const Request&)
  //     void (const Caller&, const Request&, Reply<Response>)
  //     void (const Caller&, Request&&, Reply<Response>)
  //
  // The request lives until the call is finished. Call it in the constructor.
  template <typename Method>
  void Serve(const RequestBounds& bounds, Method method) {
    Register(bounds, nullptr, std::move(method));
  }
  // Likewise, on a thread of the pool.
  template <typename Method>
  void ServeOn(WorkPool& pool, const RequestBounds& bounds, Method method) {
    Register(bounds, &pool, std::move(method));
  }

  const Calls& calls() const { return calls_; }

 private:
  template <typename Method>
  void Register(const RequestBounds& bounds, WorkPool* pool, Method method) {
    using Request = typename UnaryTypes<Method>::Request;
    using Response = typename UnaryTypes<Method>::Response;
    const auto serve = [method = std::move(method)](const Caller& caller, UnaryCall& call,
                                                    Request& request) {
      const Reply<Response> reply(call);
      if constexpr (std::is_invocable_v<const Method&, const Caller&, Request&&, Reply<Response>>) {
        method(caller, std::move(request), reply);
      } else {
        reply(method(caller, request));
      }
    };
    this->MarkMethodRawCallback(
        IndexOfMethod(Api::service_full_name(), *Request::descriptor(), *Response::descriptor()),
        new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
            [&calls = calls_, bounds, pool, serve](grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request,
                                                   grpc::ByteBuffer* response) {
              return calls.Serve<Request>(context, bounds, pool, *request, response, serve);
            }));
  }

  const Calls& calls_;
};

}  // namespace eventhub
