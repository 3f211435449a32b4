#include "flow/http_server_testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"

namespace assay {
namespace {

void send_all(int connection, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

std::string read_head(int connection) {
  std::string head;
  char buffer[2048];
  while (head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = recv(connection, buffer, sizeof buffer, 0);
    if (count <= 0) return head;
    head.append(buffer, static_cast<std::size_t>(count));
  }
  return head;
}

}  // namespace

TestHttpServer::TestHttpServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSAY_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
              listen(listener_, 8) == 0);
  socklen_t length = sizeof address;
  ASSAY_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

TestHttpServer::~TestHttpServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

std::vector<std::string> TestHttpServer::requests() {
  std::lock_guard lock(mutex_);
  return requests_;
}

void TestHttpServer::serve() {
  while (!stopping_) {
    const int connection = accept(listener_, nullptr, nullptr);
    if (connection < 0) continue;
    answer(connection);
    close(connection);
  }
}

void TestHttpServer::answer(int connection) {
  const std::string head = read_head(connection);
  {
    std::lock_guard lock(mutex_);
    requests_.push_back(head);
  }
  const std::size_t begin = head.find(' ') + 1;
  const std::string path = head.substr(begin, head.find(' ', begin) - begin);
  if (const auto redirect = redirects.find(path); redirect != redirects.end()) {
    send_all(connection, "HTTP/1.1 302 Found\r\nLocation: " + redirect->second +
                             "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  const auto found = bodies.find(path);
  if (found == bodies.end()) {
    send_all(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  const std::string& whole = found->second;
  std::size_t start = 0;
  const auto range = head.find("Range: bytes=");
  const bool partial = understands_range && range != std::string::npos;
  if (partial) start = std::min<std::size_t>(std::stoul(head.substr(range + 13)), whole.size());
  std::string body = whole.substr(start);
  std::string answer = partial ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " +
                                     std::to_string(start) + "-" + std::to_string(whole.size() - 1) + "/" +
                                     std::to_string(whole.size()) + "\r\n"
                               : "HTTP/1.1 200 OK\r\n";
  answer += "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n";
  if (break_after_bytes >= 0) body.resize(std::min(body.size(), static_cast<std::size_t>(break_after_bytes)));
  send_all(connection, answer + body);
}

}  // namespace assay
