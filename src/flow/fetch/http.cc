#include "flow/fetch/http.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include "base/check.h"
#include "base/interrupt.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr int kAttempts = 5;        // in a row without a new byte
constexpr long kStallSeconds = 60;  // with less than kStallBytes per second: the connection counts as broken
constexpr long kStallBytes = 100;
constexpr long kConnectSeconds = 30;
constexpr std::chrono::seconds kLongestPause{60};

struct CurlCleanup {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
using Curl = std::unique_ptr<CURL, CurlCleanup>;

struct FileClose {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// Where the bytes go: a string or a file, never more than `limit` of them.
struct Sink {
  std::string* text = nullptr;
  std::FILE* file = nullptr;
  std::uint64_t num_bytes = 0;
  std::uint64_t limit = 0;
  bool too_long = false;
  const std::function<void(std::uint64_t)>* on_bytes = nullptr;
};

std::size_t receive(char* data, std::size_t, std::size_t count, void* user) {
  auto& sink = *static_cast<Sink*>(user);
  if (sink.num_bytes + count > sink.limit) {
    sink.too_long = true;
    return 0;
  }
  if (sink.text != nullptr) sink.text->append(data, count);
  if (sink.file != nullptr && std::fwrite(data, 1, count, sink.file) != count) return 0;
  sink.num_bytes += count;
  if (sink.on_bytes != nullptr) (*sink.on_bytes)(sink.num_bytes);
  return count;
}

int stop_when_interrupted(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return check_interrupt() ? 0 : 1;
}

const char* own_authorities() {
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (const char* path = std::getenv(name); path != nullptr && *path != '\0') return path;
  }
  return nullptr;
}

Curl start(const std::string& url, const HttpOptions& options, Sink& sink, char* reason) {
  // Initialized once, before the first handle; curl_easy_init would do it without thread safety.
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  Curl curl(curl_easy_init());
  ASSAY_CHECK(initialized == CURLE_OK && curl != nullptr);
  const char* protocols = url.starts_with("https:") ? "https" : "http,https";
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, protocols);
  curl_easy_setopt(curl.get(), CURLOPT_REDIR_PROTOCOLS_STR, protocols);
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, kStallBytes);
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "assay");
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, stop_when_interrupted);
  // The library reads the proxies' variables by itself, these only curl's own program does.
  if (const char* path = own_authorities()) {
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, path);
    curl_easy_setopt(curl.get(), CURLOPT_PROXY_CAINFO, path);
  }
  if (!options.bearer_token.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl.get(), CURLOPT_XOAUTH2_BEARER, options.bearer_token.c_str());
  }
  return curl;
}

Error failure(CURL* curl, CURLcode code, const char* reason, const std::string& url) {
  if (const auto interrupted = check_interrupt(); !interrupted) return interrupted.error();
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const std::string why = reason[0] != '\0' ? reason : curl_easy_strerror(code);
  if (status == 401 || status == 403)
    return {ErrorCode::kIo,
            url + ": " + why + "; the owner may ask to accept a licence first: then set HF_TOKEN"};
  return {status == 404 ? ErrorCode::kNotFound : ErrorCode::kIo, url + ": " + why};
}

// Whether the same request may go better a second time.
bool is_transient(CURL* curl, CURLcode code) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  switch (code) {
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    case CURLE_HTTP_RETURNED_ERROR:
      return status == 408 || status == 425 || status == 429 || status >= 500;
    default:
      return false;
  }
}

// Counts attempts that brought nothing, and waits longer before each further one.
class Patience {
 public:
  explicit Patience(std::chrono::milliseconds first) : first_(first) {}

  void progressed() { failures_ = 0; }
  // False when it is used up or the user has asked to stop.
  bool wait(CURL* curl) {
    if (++failures_ == kAttempts) return false;
    curl_off_t asked = 0;
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &asked);
    const std::chrono::milliseconds pause =
        std::max<std::chrono::milliseconds>(first_ * (1 << (failures_ - 1)), std::chrono::seconds(asked));
    const auto end =
        std::chrono::steady_clock::now() + std::min<std::chrono::milliseconds>(pause, kLongestPause);
    constexpr std::chrono::milliseconds kStep{50};
    while (check_interrupt()) {
      const auto left = end - std::chrono::steady_clock::now();
      if (left <= left.zero()) return true;
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, kStep));
    }
    return false;
  }

 private:
  std::chrono::milliseconds first_;
  int failures_ = 0;
};

}  // namespace

Result<std::string> http_get(const std::string& url, std::size_t max_bytes, const HttpOptions& options) {
  for (Patience patience(options.first_pause);;) {
    std::string body;
    Sink sink;
    sink.text = &body;
    sink.limit = max_bytes;
    char reason[CURL_ERROR_SIZE] = "";
    const Curl curl = start(url, options, sink, reason);
    const CURLcode code = curl_easy_perform(curl.get());
    if (sink.too_long)
      return Error{ErrorCode::kResourceLimit,
                   url + ": answers with more than " + std::to_string(max_bytes) + " bytes"};
    if (code == CURLE_OK) return body;
    if (!is_transient(curl.get(), code) || !patience.wait(curl.get()))
      return failure(curl.get(), code, reason, url);
  }
}

Status http_download(const std::string& url, const fs::path& path, std::uint64_t num_bytes,
                     const HttpOptions& options, const std::function<void(std::uint64_t)>& on_bytes) {
  const std::unique_ptr<std::FILE, FileClose> file(std::fopen(path.c_str(), "ab"));
  if (!file) return Error{ErrorCode::kIo, path.string() + ": cannot be written"};
  std::error_code error;
  std::uint64_t present = fs::file_size(path, error);
  const auto start_again = [&] {
    fs::resize_file(path, 0, error);
    present = 0;
  };
  for (Patience patience(options.first_pause); present != num_bytes;) {
    if (present > num_bytes) start_again();
    Sink sink;
    sink.file = file.get();
    sink.num_bytes = present;
    sink.limit = num_bytes;
    sink.on_bytes = &on_bytes;
    char reason[CURL_ERROR_SIZE] = "";
    const Curl curl = start(url, options, sink, reason);
    curl_easy_setopt(curl.get(), CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(present));
    const CURLcode code = curl_easy_perform(curl.get());
    if (std::fflush(file.get()) != 0 || std::ferror(file.get()) != 0)
      return Error{ErrorCode::kIo, path.string() + ": cannot be written; is the disk full?"};
    if (sink.too_long)
      return Error{ErrorCode::kIo,
                   url + ": is longer than the " + std::to_string(num_bytes) + " bytes announced"};
    if (code == CURLE_RANGE_ERROR && present > 0) {  // the server cannot go on in the middle
      start_again();
      continue;
    }
    if (sink.num_bytes > present) patience.progressed();
    present = sink.num_bytes;
    if (present == num_bytes) break;
    if (code == CURLE_OK)
      return Error{ErrorCode::kIo, url + ": has " + std::to_string(present) + " bytes, " +
                                       std::to_string(num_bytes) + " were announced"};
    if (!is_transient(curl.get(), code) || !patience.wait(curl.get()))
      return failure(curl.get(), code, reason, url);
  }
  // Whoever gives the file its name relies on its content.
  if (::fsync(::fileno(file.get())) != 0)
    return Error{ErrorCode::kIo, path.string() + ": cannot be written; is the disk full?"};
  return {};
}

}  // namespace assay
