// The bare transport: what gRPC alone does with the hub's traffic, without a hub behind it. Raw
// ByteBuffers on the callback API, as in the hub. Three methods: a sink that acknowledges each
// frame of a stream, a source that streams frames, an echo.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <string>

namespace eventhub::benchmark {

inline constexpr char kSinkMethod[] = "/eventhub.benchmark/Sink";
inline constexpr char kSourceMethod[] = "/eventhub.benchmark/Source";
inline constexpr char kEchoMethod[] = "/eventhub.benchmark/Echo";

// What an acknowledgement weighs: about as much as a PublishStreamResponse.
inline constexpr size_t kAckBytes = 16;

// What a client of the source asks for; sent as it lies in memory, both ends being this program.
struct SourceRequest {
  uint64_t frame_bytes = 0;
  uint64_t frames = 0;
};

// `bytes` bytes of no meaning.
grpc::ByteBuffer MakeFrame(size_t bytes);

// Parses "name=integer,name=integer" into channel arguments for a client and for a server.
// False if `text` is not of that form.
bool ParseChannelArgs(const std::string& text, grpc::ChannelArguments& args);
bool ParseChannelArgs(const std::string& text, grpc::ServerBuilder& builder);

// Serves on `address` until stdin is closed. Prints the address bound, as one line. Returns the
// exit code.
int RunTransportServer(const std::string& address, const std::string& channel_args);

// What a client measures.
struct TransportOptions {
  std::string address;
  std::string channel_args;
  size_t frame_bytes = 256 << 10;
  // Streams at a time, each on a connection of its own.
  int streams = 1;
  // Bytes that a stream sends ahead of their acknowledgement.
  size_t window_bytes = 8 << 20;
  double seconds = 3;
  // To report the CPU time of the server; 0: not known.
  int64_t server_pid = 0;
};

// Each prints one result and returns the exit code.
int MeasureSink(const TransportOptions& options);
int MeasureSource(const TransportOptions& options);
int MeasureEcho(const TransportOptions& options);

}  // namespace eventhub::benchmark
