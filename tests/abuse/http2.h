// Minimal HTTP/2: frames, and header blocks without compression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace eventhub::abuse {

inline const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline constexpr uint8_t kData = 0;
inline constexpr uint8_t kHeaders = 1;
inline constexpr uint8_t kResetStream = 3;
inline constexpr uint8_t kSettings = 4;
inline constexpr uint8_t kWindowUpdate = 8;
inline constexpr uint8_t kContinuation = 9;
inline constexpr uint8_t kEndStream = 1;   // A flag.
inline constexpr uint8_t kEndHeaders = 4;  // A flag.

inline constexpr size_t kHeaderBytes = 9;

struct Http2Header {
  size_t size = 0;  // Of the payload.
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
};

inline void AppendNumber(std::string* to, uint64_t number, int bytes) {
  while (bytes-- > 0) to->push_back(static_cast<char>(number >> (8 * bytes)));
}

inline uint32_t ReadNumber(const std::string& from, size_t at, size_t bytes) {
  uint32_t number = 0;
  for (size_t i = 0; i < bytes; ++i) {
    number = number << 8 | static_cast<unsigned char>(from[at + i]);
  }
  return number;
}

inline std::string Http2Frame(uint8_t type, uint8_t flags, uint32_t stream,
                              const std::string& payload) {
  std::string frame;
  AppendNumber(&frame, payload.size(), 3);
  AppendNumber(&frame, type, 1);
  AppendNumber(&frame, flags, 1);
  AppendNumber(&frame, stream, 4);
  return frame + payload;
}

// Returns the header of the frame at `at`, once the whole frame is there.
inline std::optional<Http2Header> ReadHeader(const std::string& bytes, size_t at) {
  if (bytes.size() < at + kHeaderBytes) return std::nullopt;
  Http2Header header;
  header.size = ReadNumber(bytes, at, 3);
  header.type = static_cast<uint8_t>(bytes[at + 3]);
  header.flags = static_cast<uint8_t>(bytes[at + 4]);
  header.stream = ReadNumber(bytes, at + 5, 4);
  if (bytes.size() < at + kHeaderBytes + header.size) return std::nullopt;
  return header;
}

// Encodes a field of a header block; the name and the value may have up to 126 bytes each.
inline std::string Literal(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + name +
         static_cast<char>(value.size()) + value;
}

// The header block of a gRPC call.
inline std::string CallHeaders(const std::string& path) {
  return Literal(":method", "POST") + Literal(":scheme", "http") + Literal(":path", path) +
         Literal(":authority", "hub") + Literal("te", "trailers") +
         Literal("content-type", "application/grpc");
}

}  // namespace eventhub::abuse
