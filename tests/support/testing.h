// What every test may use: where data lies, matchers for Result, a folder of its own to write in.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "base/result.h"

namespace assay {

// The real test data, or nothing where this machine does not have it: then GTEST_SKIP(), never pass.
inline std::optional<std::filesystem::path> shared_data(const std::string& relative) {
  const char* overridden = std::getenv("ASSAY_SHARED_DIR");
  const auto path = std::filesystem::path(overridden ? overridden : ASSAY_SHARED_DIR) / "data" / relative;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}

inline std::filesystem::path golden(const std::string& relative) {
  return std::filesystem::path(ASSAY_GOLDENS_DIR) / relative;
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A folder that exists for one test and is removed with it.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// While it lives, no file of this process grows beyond `num_bytes`: what a full disk looks like to a program.
class FullDisk {
 public:
  explicit FullDisk(rlim_t num_bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limited{num_bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
};

MATCHER(IsOk, "is a value") {
  if (!arg.has_value()) *result_listener << "whose error is: " << arg.error().message;
  return arg.has_value();
}

// EXPECT_THAT(result, FailsWith(ErrorCode::kCorrupt, "offset")): the code, and a word that the message must contain.
MATCHER_P2(FailsWith, code, substring, "fails with a message containing '" + std::string(substring) + "'") {
  if (arg.has_value()) {
    *result_listener << "which is a value";
    return false;
  }
  *result_listener << "whose error is: " << arg.error().message;
  return arg.error().code == code && arg.error().message.find(substring) != std::string::npos;
}

}  // namespace assay
