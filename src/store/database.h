// SQLite's C interface with results as values.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace assay::store {

class Database;

// One prepared statement. Columns and parameters count from 0.
class Statement {
 public:
  Status bind(int parameter, std::string_view text);
  Status bind(int parameter, std::int64_t number);
  // true: a row is there; false: done, and the statement can be bound anew. Errors as Database.
  Result<bool> step();
  std::string text(int column) const;
  std::int64_t integer(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(const Database& database, sqlite3_stmt* statement)
      : database_(&database), statement_(statement) {}
  const Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// Errors, starting with the file's path: kCorrupt (not a database, or a damaged one), kUnsupported (locked by
// another process), kIo (disk full, no permission, others). Not thread safe.
class Database {
 public:
  static Result<Database> open(const std::filesystem::path& path, bool read_only);

  Status run(const std::string& sql);
  Result<Statement> prepare(const std::string& sql) const;
  // SQLite's own look at every page.
  Status check() const;

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* database) const;
  };
  Database(std::filesystem::path path, sqlite3* database) : path_(std::move(path)), database_(database) {}
  Error error(int code) const;
  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace assay::store
