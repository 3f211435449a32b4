#include "store/database.h"

#include <sqlite3.h>

#include <utility>

namespace assay::store {
namespace {

constexpr int kBusyMilliseconds = 2000;

ErrorCode code_of(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::kUnsupported;
    case SQLITE_CONSTRAINT:
      return ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

Error Database::error(int code) const {
  std::string message = path_.string() + ": " + sqlite3_errmsg(database_.get());
  if ((code & 0xff) == SQLITE_BUSY) message += "; another program holds it, end that first";
  return {code_of(code), std::move(message)};
}

Result<Database> Database::open(const std::filesystem::path& path, bool read_only) {
  sqlite3* raw = nullptr;
  const int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Database database(path, raw);
  if (code != SQLITE_OK) return database.error(code);
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  return database;
}

Status Database::run(const std::string& sql) {
  const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Result<Statement> Database::prepare(const std::string& sql) const {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &raw, nullptr);
  if (code != SQLITE_OK) return error(code);
  return Statement(*this, raw);
}

Status Database::check() const {
  ASSAY_TRY(Statement statement, prepare("PRAGMA quick_check(1)"));
  ASSAY_TRY(const bool row, statement.step());
  if (!row || statement.text(0) != "ok")
    return Error{ErrorCode::kCorrupt,
                 path_.string() + ": " + (row ? statement.text(0) : "cannot be checked")};
  return {};
}

Status Statement::bind(int parameter, std::string_view text) {
  const int code = sqlite3_bind_text64(statement_.get(), parameter + 1, text.data(), text.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) return database_->error(code);
  return {};
}

Status Statement::bind(int parameter, std::int64_t number) {
  const int code = sqlite3_bind_int64(statement_.get(), parameter + 1, number);
  if (code != SQLITE_OK) return database_->error(code);
  return {};
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_.get());
    return false;
  }
  Error failed = database_->error(code);
  sqlite3_reset(statement_.get());
  return failed;
}

std::string Statement::text(int column) const {
  const auto* text = sqlite3_column_text(statement_.get(), column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return text == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(text), size);
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

}  // namespace assay::store
