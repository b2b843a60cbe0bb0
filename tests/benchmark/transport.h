// The bare transport: gRPC alone under the hub's traffic, without a hub behind it. Raw ByteBuffers
// on the callback API, as in the hub. Three methods: a sink that acknowledges each frame of a
// stream, a source that streams frames, an echo.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <string>

namespace eventhub::benchmark {

inline constexpr char kSinkMethod[] = "/eventhub.benchmark/Sink";
inline constexpr char kSourceMethod[] = "/eventhub.benchmark/Source";
inline constexpr char kEchoMethod[] = "/eventhub.benchmark/Echo";

// The size of an acknowledgement: about that of a PublishStreamResponse.
inline constexpr size_t kAckBytes = 16;

// A client's request to the source; sent in its memory layout, since both ends are this program.
struct SourceRequest {
  uint64_t frame_bytes = 0;
  uint64_t frames = 0;
};

// Returns `bytes` arbitrary bytes.
grpc::ByteBuffer MakeFrame(size_t bytes);

// Parses "name=integer,name=integer" into channel arguments for a client and for a server. Returns
// false if `text` does not have that form.
bool ParseChannelArgs(const std::string& text, grpc::ChannelArguments& args);
bool ParseChannelArgs(const std::string& text, grpc::ServerBuilder& builder);

// Serves on `address` until stdin is closed. Prints the bound address, as one line. Returns the
// exit code.
int RunTransportServer(const std::string& address, const std::string& channel_args);

// The parameters of a client's measurement.
struct TransportOptions {
  std::string address;
  std::string channel_args;
  size_t frame_bytes = 256 << 10;
  // Concurrent streams, each with its own connection.
  int streams = 1;
  // The number of bytes that a stream sends ahead of their acknowledgement.
  size_t window_bytes = 8 << 20;
  double seconds = 3;
  // The server's process, to report its CPU time; 0: unknown.
  int64_t server_pid = 0;
};

// Each of these prints one result and returns the exit code.
int MeasureSink(const TransportOptions& options);
int MeasureSource(const TransportOptions& options);
int MeasureEcho(const TransportOptions& options);

}  // namespace eventhub::benchmark
