// See transport.h. Example:
//   bare_transport --mode=server --address=localhost:0
//   bare_transport --mode=sink --address=localhost:40000 --frame_bytes=65536 --streams=4
#include <cstdio>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "tests/benchmark/transport.h"

ABSL_FLAG(std::string, mode, "server", "server, sink, source or echo");
ABSL_FLAG(std::string, address, "localhost:0", "where to listen or to connect");
ABSL_FLAG(std::string, channel_args, "", "gRPC channel arguments: name=integer,name=integer");
ABSL_FLAG(uint64_t, frame_bytes, 256 << 10, "size of a message");
ABSL_FLAG(uint64_t, window_bytes, 8 << 20, "bytes in flight per sink stream");
ABSL_FLAG(int, streams, 1, "parallel streams, each on its own connection");
ABSL_FLAG(double, seconds, 3, "how long to measure");
ABSL_FLAG(int64_t, server_pid, 0, "process id of the server, to report its CPU time");

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  eventhub::benchmark::TransportOptions options;
  options.address = absl::GetFlag(FLAGS_address);
  options.channel_args = absl::GetFlag(FLAGS_channel_args);
  options.frame_bytes = absl::GetFlag(FLAGS_frame_bytes);
  options.window_bytes = absl::GetFlag(FLAGS_window_bytes);
  options.streams = absl::GetFlag(FLAGS_streams);
  options.seconds = absl::GetFlag(FLAGS_seconds);
  options.server_pid = absl::GetFlag(FLAGS_server_pid);
  const std::string mode = absl::GetFlag(FLAGS_mode);
  if (mode == "server") {
    return eventhub::benchmark::RunTransportServer(options.address, options.channel_args);
  }
  if (mode == "sink") return eventhub::benchmark::MeasureSink(options);
  if (mode == "source") return eventhub::benchmark::MeasureSource(options);
  if (mode == "echo") return eventhub::benchmark::MeasureEcho(options);
  std::fprintf(stderr, "unknown --mode=%s\n", mode.c_str());
  return 2;
}
