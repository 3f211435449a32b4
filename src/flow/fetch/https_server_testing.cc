#include "flow/fetch/https_server_testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/check.h"

namespace assay {
namespace {

void send_all(SSL* connection, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const int count = SSL_write(connection, bytes.data() + sent, static_cast<int>(bytes.size() - sent));
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

std::string read_head(SSL* connection) {
  std::string head;
  char buffer[2048];
  while (head.find("\r\n\r\n") == std::string::npos) {
    const int count = SSL_read(connection, buffer, sizeof buffer);
    if (count <= 0) return head;
    head.append(buffer, static_cast<std::size_t>(count));
  }
  return head;
}

void add_extension(X509* certificate, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  ASSAY_CHECK(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

template <typename Write>
void write_pem(const std::filesystem::path& path, Write write) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  ASSAY_CHECK(file != nullptr && write(file) == 1);
  std::fclose(file);
}

}  // namespace

TestAuthority::TestAuthority() {
  std::string pattern = (std::filesystem::temp_directory_path() / "assay-authority-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> secret(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), secret.get());
  X509_NAME* name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1,
                             0);
  X509_set_issuer_name(made.get(), name);
  add_extension(made.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(made.get(), NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  ASSAY_CHECK(X509_sign(made.get(), secret.get(), EVP_sha256()) > 0);
  write_pem(certificate(), [&](std::FILE* file) { return PEM_write_X509(file, made.get()); });
  write_pem(key(), [&](std::FILE* file) {
    return PEM_write_PrivateKey(file, secret.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  setenv("CURL_CA_BUNDLE", certificate().c_str(), 1);
}

TestAuthority::~TestAuthority() {
  unsetenv("CURL_CA_BUNDLE");
  std::filesystem::remove_all(folder_);
}

TestHttpsServer::TestHttpsServer(const TestAuthority& authority)
    : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  std::signal(SIGPIPE, SIG_IGN);  // writing to a connection that the client has left
  ASSAY_CHECK(
      SSL_CTX_use_certificate_file(context_.get(), authority.certificate().c_str(), SSL_FILETYPE_PEM) == 1 &&
      SSL_CTX_use_PrivateKey_file(context_.get(), authority.key().c_str(), SSL_FILETYPE_PEM) == 1);
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

TestHttpsServer::~TestHttpsServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

std::vector<std::string> TestHttpsServer::requests() {
  std::lock_guard lock(mutex_);
  return requests_;
}

void TestHttpsServer::serve() {
  while (!stopping_) {
    const int connection = accept(listener_, nullptr, nullptr);
    if (connection < 0) continue;
    SSL* encrypted = SSL_new(context_.get());
    SSL_set_fd(encrypted, connection);
    if (SSL_accept(encrypted) == 1) answer(encrypted);
    SSL_free(encrypted);
    close(connection);
  }
}

void TestHttpsServer::answer(SSL* connection) {
  const std::string head = read_head(connection);
  {
    std::lock_guard lock(mutex_);
    requests_.push_back(head);
  }
  const std::size_t begin = head.find(' ') + 1;
  const std::string path = head.substr(begin, head.find(' ', begin) - begin);
  const auto empty = [&](const std::string& status) {
    send_all(connection, "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    SSL_shutdown(connection);
  };
  if (failures_first > 0) {
    --failures_first;
    return empty("500 Internal Server Error");
  }
  if (const auto redirect = redirects.find(path); redirect != redirects.end())
    return empty("302 Found\r\nLocation: " + redirect->second);
  const auto found = bodies.find(path);
  if (found == bodies.end()) return empty("404 Not Found");
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
  const std::int64_t announced = static_cast<std::int64_t>(body.size()) + length_lie;
  answer += "Content-Length: " + std::to_string(announced) + "\r\nConnection: close\r\n\r\n";
  const bool breaks = break_after_bytes >= 0 && body.size() > static_cast<std::size_t>(break_after_bytes);
  if (breaks) body.resize(static_cast<std::size_t>(break_after_bytes));
  send_all(connection, answer + body);
  if (!breaks) SSL_shutdown(connection);
}

}  // namespace assay
