#include "client/processor/views/postgres_connection.h"

#include <cstdio>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "eventhub/partition.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor::internal {
namespace {

// From pg_type.dat, which never changes them.
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kInt4 = 23;
constexpr Oid kFloat8 = 701;

std::string Trimmed(const char* message) {
  return std::string(absl::StripAsciiWhitespace(message == nullptr ? "" : message));
}

// Translates every class of SQLSTATE.
absl::StatusCode CodeOf(std::string_view state) {
  const std::string_view kind = state.substr(0, 2);
  if (kind == "22" || kind == "23") return absl::StatusCode::kInvalidArgument;
  if (kind == "28" || state == "42501") return absl::StatusCode::kPermissionDenied;
  if (kind == "53") return absl::StatusCode::kResourceExhausted;
  if (kind == "3D" || kind == "3F" || kind == "42" || kind == "2B") {
    return absl::StatusCode::kFailedPrecondition;
  }
  if (kind == "XX") return absl::StatusCode::kDataLoss;
  // The connection, shutdowns, locks, serialization.
  return absl::StatusCode::kUnavailable;
}

}  // namespace

int64_t PostgresResult::Integer(int row, int column) const {
  int64_t number = 0;
  const std::string_view text = Text(row, column);
  return absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &number) ? number : 0;
}

Value PostgresResult::ValueAt(int row, int column) const {
  if (PQgetisnull(result_.get(), row, column) != 0) return {};
  switch (PQftype(result_.get(), column)) {
    case kInt4:
    case kInt8:
      return Integer(row, column);
    case kFloat8: {
      double number = 0;
      const std::string_view text = Text(row, column);
      if (!absl::SimpleAtod(absl::string_view(text.data(), text.size()), &number)) return {};
      return number;
    }
    case kBytea: {
      size_t size = 0;
      unsigned char* const bytes = PQunescapeBytea(
          reinterpret_cast<const unsigned char*>(PQgetvalue(result_.get(), row, column)), &size);
      std::string value(reinterpret_cast<const char*>(bytes), bytes == nullptr ? 0 : size);
      PQfreemem(bytes);
      return value;
    }
    default:
      return std::string(Text(row, column));
  }
}

int64_t PostgresResult::affected() const {
  int64_t number = 0;
  return absl::SimpleAtoi(PQcmdTuples(result_.get()), &number) ? number : 0;
}

void PostgresParameters::Add(std::string bytes, int format) {
  lengths_.push_back(static_cast<int>(bytes.size()));
  values_.push_back(std::move(bytes));
  nulls_.push_back(false);
  formats_.push_back(format);
}

// Binary, so that the server sees a NUL, and refuses it, instead of ending the text there.
void PostgresParameters::Add(std::string_view text) { Add(std::string(text), 1); }

void PostgresParameters::Add(int64_t number) { Add(absl::StrCat(number), 0); }

void PostgresParameters::Add(const Value& value, ColumnType) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    Add(*integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.17g", *real);
    Add(std::string(text), 0);
  } else if (const auto* bytes = std::get_if<std::string>(&value)) {
    Add(std::string_view(*bytes));
  } else {
    Add(std::string(), 0);
    nulls_.back() = true;
  }
}

void PostgresParameters::Clear() {
  values_.clear();
  nulls_.clear();
  lengths_.clear();
  formats_.clear();
}

const std::vector<const char*>& PostgresParameters::pointers() {
  pointers_.clear();
  for (size_t i = 0; i < values_.size(); ++i) {
    pointers_.push_back(nulls_[i] ? nullptr : values_[i].data());
  }
  return pointers_;
}

PostgresConnection::~PostgresConnection() { PQfinish(handle_); }

void PostgresConnection::SetLockTimeout(absl::Duration timeout) {
  if (lock_timeout_ == timeout) return;
  lock_timeout_ = timeout;
  lock_timeout_set_ = false;
}

absl::Status PostgresConnection::Ready() {
  const bool usable = handle_ != nullptr && PQstatus(handle_) == CONNECTION_OK &&
                      PQtransactionStatus(handle_) == PQTRANS_IDLE &&
                      PQpipelineStatus(handle_) == PQ_PIPELINE_OFF;
  if (!usable) RETURN_IF_ERROR(Open());
  if (!lock_timeout_ || lock_timeout_set_) return absl::OkStatus();
  RETURN_IF_ERROR(
      Run(absl::StrCat("SET lock_timeout = ", absl::ToInt64Milliseconds(*lock_timeout_))).status());
  lock_timeout_set_ = true;
  return absl::OkStatus();
}

absl::Status PostgresConnection::Open() {
  PQfinish(handle_);
  lock_timeout_set_ = false;
  prepared_.clear();
  handle_ = PQconnectdb(options_.c_str());
  if (PQstatus(handle_) != CONNECTION_OK) return Failed();
  // Notices are meant for interactive users.
  PQsetNoticeProcessor(
      handle_, [](void*, const char*) {}, nullptr);
  return absl::OkStatus();
}

absl::Status PostgresConnection::Failed() const {
  return absl::UnavailableError(absl::StrCat("PostgreSQL: ", Trimmed(PQerrorMessage(handle_))));
}

absl::Status PostgresConnection::StatusOf(const PGresult* result) const {
  if (result == nullptr) return Failed();
  switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_PIPELINE_SYNC:
      return absl::OkStatus();
    default:
      break;
  }
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return absl::Status(CodeOf(state == nullptr ? "" : state),
                      absl::StrCat("PostgreSQL: ", Trimmed(PQresultErrorMessage(result))));
}

absl::StatusOr<PostgresResult> PostgresConnection::Run(const std::string& sql) {
  PostgresResult result(PQexec(handle_, sql.c_str()));
  RETURN_IF_ERROR(StatusOf(result.get()));
  return result;
}

absl::StatusOr<PostgresResult> PostgresConnection::Run(const std::string& sql,
                                                       PostgresParameters& parameters) {
  PostgresResult result(PQexecParams(handle_, sql.c_str(), parameters.size(), nullptr,
                                     parameters.pointers().data(), parameters.lengths(),
                                     parameters.formats(), 0));
  RETURN_IF_ERROR(StatusOf(result.get()));
  return result;
}

absl::StatusOr<std::string> PostgresConnection::Prepare(const std::string& sql) {
  std::string name = absl::StrCat("s", absl::Hex(client::KeyHash(sql)));
  if (prepared_.contains(name)) return name;
  const PostgresResult result(PQprepare(handle_, name.c_str(), sql.c_str(), 0, nullptr));
  RETURN_IF_ERROR(StatusOf(result.get()));
  prepared_.insert(name);
  return name;
}

absl::Status PostgresConnection::Send(const std::string& statement,
                                      PostgresParameters& parameters) {
  const int sent = PQsendQueryPrepared(handle_, statement.c_str(), parameters.size(),
                                       parameters.pointers().data(), parameters.lengths(),
                                       parameters.formats(), 0);
  return sent == 1 ? absl::OkStatus() : Failed();
}

}  // namespace eventhub::processor::internal
