#include "store/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "store/database.h"

namespace assay::store {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kVersion = 1;
constexpr const char* kSchema = R"(
  CREATE TABLE IF NOT EXISTS environment(id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE);
  CREATE TABLE IF NOT EXISTS measurement(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, task TEXT NOT NULL, model TEXT NOT NULL, variant TEXT NOT NULL,
    kind TEXT NOT NULL, round INTEGER NOT NULL, settings TEXT NOT NULL, figures TEXT NOT NULL,
    environment INTEGER NOT NULL REFERENCES environment(id), command TEXT NOT NULL, started TEXT NOT NULL,
    finished TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS plan(position INTEGER PRIMARY KEY, key TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS study(id INTEGER PRIMARY KEY CHECK(id = 1), json TEXT NOT NULL);
)";
constexpr const char* kColumns =
    "SELECT m.task, m.model, m.variant, m.kind, m.round, m.settings, m.figures, e.json, m.command, "
    "m.started, m.finished "
    "FROM measurement m JOIN environment e ON e.id = m.environment ";

// The folder's lock, as long as it lives. The system lets go of it when the process dies.
class FolderLock {
 public:
  static Result<FolderLock> take(const fs::path& folder) {
    const fs::path path = folder / ".assay.lock";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return Error{ErrorCode::kIo, path.string() + ": cannot be written: " + std::strerror(errno)};
    FolderLock lock(fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno == EWOULDBLOCK) {
      return Error{ErrorCode::kUnsupported,
                   folder.string() +
                       ": another assay process is working in this folder; wait for it, or "
                       "give another folder"};
    }
    return Error{ErrorCode::kIo, path.string() + ": cannot be locked: " + std::strerror(errno)};
  }
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

// Undone when it is left without commit().
class Transaction {
 public:
  static Result<Transaction> begin(Database& database) {
    ASSAY_RETURN_IF_ERROR(database.run("BEGIN IMMEDIATE"));
    return Transaction(database);
  }
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  ~Transaction() {
    if (database_ != nullptr) (void)database_->run("ROLLBACK");
  }
  Status commit() {
    ASSAY_RETURN_IF_ERROR(database_->run("COMMIT"));
    database_ = nullptr;
    return {};
  }

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<Json> json_of(const std::string& text, const char* column) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Error{ErrorCode::kCorrupt, std::string("column ") + column + " is no JSON"};
  return json;
}

Result<std::int64_t> version_of(Database& database) {
  ASSAY_TRY(Statement statement, database.prepare("PRAGMA user_version"));
  ASSAY_TRY(const bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

Result<Database> open_checked(const fs::path& path) {
  ASSAY_TRY(Database database, Database::open(path, false));
  ASSAY_RETURN_IF_ERROR(database.check());
  ASSAY_TRY(const std::int64_t version, version_of(database));
  if (version > kVersion) {
    return Error{ErrorCode::kUnsupported, path.string() + ": has records of version " +
                                              std::to_string(version) + ", expected at most " +
                                              std::to_string(kVersion) + "; it was written by a newer assay"};
  }
  ASSAY_RETURN_IF_ERROR(
      database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"));
  ASSAY_RETURN_IF_ERROR(
      database.run(std::string(kSchema) + "PRAGMA user_version = " + std::to_string(kVersion)));
  return database;
}

// The file and what SQLite keeps beside it, to a name that is free.
Result<fs::path> move_aside(const fs::path& path) {
  std::error_code error;
  fs::path target;
  for (int n = 1; target.empty() || fs::exists(target, error); ++n)
    target = path.string() + ".damaged-" + std::to_string(n);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const fs::path from = path.string() + suffix;
    if (!fs::exists(from, error)) continue;
    fs::rename(from, target.string() + suffix, error);
    if (error)
      return Error{ErrorCode::kIo,
                   from.string() + ": is damaged and cannot be kept aside: " + error.message()};
  }
  return target;
}

Result<Measurement> read_row(const Statement& row) {
  Measurement measurement;
  measurement.subject.task = row.text(0) == to_string(Task::kLlm) ? Task::kLlm : Task::kDetector;
  measurement.subject.model = row.text(1);
  measurement.subject.variant = row.text(2);
  measurement.subject.kind = row.text(3);
  measurement.subject.round = static_cast<int>(row.integer(4));
  ASSAY_TRY(measurement.subject.settings, json_of(row.text(5), "settings"));
  ASSAY_TRY(measurement.figures, json_of(row.text(6), "figures"));
  ASSAY_TRY(measurement.environment, json_of(row.text(7), "environment"));
  measurement.command = row.text(8);
  measurement.started = row.text(9);
  measurement.finished = row.text(10);
  return measurement;
}

}  // namespace

struct Store::State {
  fs::path path;
  std::optional<FolderLock> lock;
  std::optional<Database> database;

  Database& db() { return *database; }

  Result<std::vector<Measurement>> select(const std::string& rest) {
    ASSAY_TRY(Statement statement, db().prepare(kColumns + rest));
    std::vector<Measurement> rows;
    for (;;) {
      ASSAY_TRY(const bool row, statement.step());
      if (!row) return rows;
      auto measurement = read_row(statement);
      if (!measurement) return measurement.error().with_context(path.string());
      rows.push_back(*std::move(measurement));
    }
  }

  Result<std::int64_t> environment_id(const std::string& json) {
    ASSAY_TRY(Statement insert, db().prepare("INSERT OR IGNORE INTO environment(json) VALUES(?)"));
    ASSAY_RETURN_IF_ERROR(insert.bind(0, json));
    if (const auto done = insert.step(); !done) return done.error();
    ASSAY_TRY(Statement select, db().prepare("SELECT id FROM environment WHERE json = ?"));
    ASSAY_RETURN_IF_ERROR(select.bind(0, json));
    ASSAY_TRY(const bool row, select.step());
    if (!row) return Error{ErrorCode::kCorrupt, path.string() + ": lost an environment"};
    return select.integer(0);
  }
};

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error{ErrorCode::kIo, folder.string() + ": cannot be made: " + error.message()};
  auto state = std::make_unique<State>();
  state->path = folder / kFileName;
  ASSAY_TRY(state->lock, FolderLock::take(folder));
  std::optional<fs::path> damaged;
  auto database = open_checked(state->path);
  if (!database && database.error().code == ErrorCode::kCorrupt) {
    ASSAY_TRY(damaged, move_aside(state->path));
    database = open_checked(state->path);
  }
  if (!database) return database.error();
  state->database = *std::move(database);
  Store store(std::move(state));
  store.set_aside_ = std::move(damaged);
  return store;
}

Result<Store> Store::empty() {
  auto state = std::make_unique<State>();
  state->path = ":memory:";
  ASSAY_TRY(state->database, open_checked(state->path));
  return Store(std::move(state));
}

Result<Store> Store::open_to_read(const fs::path& folder) {
  auto state = std::make_unique<State>();
  state->path = folder / kFileName;
  std::error_code error;
  if (!fs::exists(state->path, error)) {
    return Error{ErrorCode::kNotFound,
                 folder.string() + ": has no " + kFileName + ", expected the folder of a study (assay run)"};
  }
  ASSAY_TRY(Database database, Database::open(state->path, true));
  ASSAY_RETURN_IF_ERROR(database.check());
  ASSAY_TRY(const std::int64_t version, version_of(database));
  if (version < 1 || version > kVersion) {
    return Error{ErrorCode::kUnsupported, state->path.string() + ": has records of version " +
                                              std::to_string(version) + ", expected " +
                                              std::to_string(kVersion)};
  }
  state->database = std::move(database);
  return Store(std::move(state));
}

Status Store::add(const Measurement& measurement) {
  Database& database = state_->db();
  const Subject& subject = measurement.subject;
  ASSAY_TRY(Transaction transaction, Transaction::begin(database));
  ASSAY_TRY(const std::int64_t environment, state_->environment_id(text_of(measurement.environment)));
  ASSAY_TRY(
      Statement insert,
      database.prepare("INSERT INTO measurement(key, task, model, variant, kind, settings, figures, command, "
                       "started, finished, round, environment) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"));
  int at = 0;
  for (const std::string& text :
       {subject.key(), std::string(to_string(subject.task)), subject.model, subject.variant, subject.kind,
        text_of(subject.settings), text_of(measurement.figures), measurement.command, measurement.started,
        measurement.finished})
    ASSAY_RETURN_IF_ERROR(insert.bind(at++, text));
  ASSAY_RETURN_IF_ERROR(insert.bind(at++, static_cast<std::int64_t>(subject.round)));
  ASSAY_RETURN_IF_ERROR(insert.bind(at++, environment));
  if (const auto done = insert.step(); !done) return done.error();
  return transaction.commit();
}

Result<std::optional<Measurement>> Store::find(const std::string& key) {
  ASSAY_TRY(Statement statement, state_->db().prepare(std::string(kColumns) + "WHERE m.key = ?"));
  ASSAY_RETURN_IF_ERROR(statement.bind(0, key));
  ASSAY_TRY(const bool row, statement.step());
  if (!row) return std::optional<Measurement>();
  auto measurement = read_row(statement);
  if (!measurement) return measurement.error().with_context(state_->path.string());
  return std::optional<Measurement>(*std::move(measurement));
}

Status Store::set_plan(const std::vector<std::string>& keys, const Json& study) {
  Database& database = state_->db();
  ASSAY_TRY(Transaction transaction, Transaction::begin(database));
  ASSAY_RETURN_IF_ERROR(database.run("DELETE FROM plan; DELETE FROM study"));
  ASSAY_TRY(Statement insert, database.prepare("INSERT INTO plan(key) VALUES(?)"));
  for (const std::string& key : keys) {
    ASSAY_RETURN_IF_ERROR(insert.bind(0, key));
    if (const auto done = insert.step(); !done) return done.error();
  }
  ASSAY_TRY(Statement about, database.prepare("INSERT INTO study(id, json) VALUES(1, ?)"));
  ASSAY_RETURN_IF_ERROR(about.bind(0, text_of(study)));
  if (const auto done = about.step(); !done) return done.error();
  return transaction.commit();
}

Result<Json> Store::study() {
  ASSAY_TRY(Statement statement, state_->db().prepare("SELECT json FROM study"));
  ASSAY_TRY(const bool row, statement.step());
  if (!row) return Json::object();
  auto json = json_of(statement.text(0), "study");
  if (!json) return json.error().with_context(state_->path.string());
  return json;
}

Result<std::vector<Measurement>> Store::planned() {
  ASSAY_TRY(Statement count, state_->db().prepare("SELECT count(*) FROM plan"));
  ASSAY_TRY(const bool row, count.step());
  if (!row || count.integer(0) == 0) return all();
  return state_->select("JOIN plan p ON p.key = m.key ORDER BY p.position");
}

Result<std::vector<Measurement>> Store::all() { return state_->select("ORDER BY m.id"); }

}  // namespace assay::store
