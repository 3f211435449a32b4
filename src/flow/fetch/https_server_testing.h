// A web server on this machine, with encryption, that serves what a test says, one connection at a time.
#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace assay {

// A fresh authority for 127.0.0.1 and localhost that signs itself. While it lives, CURL_CA_BUNDLE names it.
class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  std::filesystem::path certificate() const { return folder_ / "certificate.pem"; }
  std::filesystem::path key() const { return folder_ / "key.pem"; }

 private:
  std::filesystem::path folder_;
};

class TestHttpsServer {
 public:
  explicit TestHttpsServer(const TestAuthority& authority);
  ~TestHttpsServer();
  TestHttpsServer(const TestHttpsServer&) = delete;
  TestHttpsServer& operator=(const TestHttpsServer&) = delete;

  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }

  // What stands behind a path (with its query). Set before the first request.
  std::map<std::string, std::string> bodies;
  std::map<std::string, std::string> redirects;  // path -> address
  bool understands_range = true;
  std::int64_t break_after_bytes = -1;  // of a body: then the connection is closed; -1: never
  std::int64_t length_lie = 0;          // added to the announced length
  std::atomic<int> failures_first{0};   // so many requests are answered with 500

  // The head of every request so far.
  std::vector<std::string> requests();

 private:
  void serve();
  void answer(ssl_st* connection);

  std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)> context_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace assay
