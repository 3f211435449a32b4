// A web server on this machine that serves what a test says, one connection at a time.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace assay {

class TestHttpServer {
 public:
  TestHttpServer();
  ~TestHttpServer();
  TestHttpServer(const TestHttpServer&) = delete;
  TestHttpServer& operator=(const TestHttpServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // What stands behind a path (with its query). Set before the first request.
  std::map<std::string, std::string> bodies;
  std::map<std::string, std::string> redirects;  // path -> address
  bool understands_range = true;
  std::int64_t break_after_bytes = -1;  // of a body: then the connection is closed; -1: never

  // The head of every request so far.
  std::vector<std::string> requests();

 private:
  void serve();
  void answer(int connection);

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace assay
