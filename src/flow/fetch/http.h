// Downloads over HTTP and HTTPS, resumable and interruptible.
//
// Proxies come from HTTPS_PROXY, http_proxy and NO_PROXY, certificates of own authorities from
// CURL_CA_BUNDLE, else SSL_CERT_FILE. What may go better a second time is tried again: broken and refused
// connections, the statuses 408, 425, 429 and 5xx. The pause doubles each time and never is random; a longer
// one that the server asks for (Retry-After) is kept, up to a minute.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"

namespace assay {

struct HttpOptions {
  std::string bearer_token = {};  // sent to the first host only, never to where it redirects
  std::chrono::milliseconds first_pause{1000};
};

// The body of a GET. Errors: kNotFound (404), kIo (any other failure, with the server's or libcurl's reason),
// kResourceLimit (longer than max_bytes), kInterrupted.
Result<std::string> http_get(const std::string& url, std::size_t max_bytes, const HttpOptions& options);

// Makes `path` hold the `num_bytes` bytes behind `url`. What `path` holds already counts as the beginning and
// is not asked for again. `on_bytes` gets the number of bytes there are. An https:// address is never left
// for an unencrypted one. Errors: as http_get; kIo when the length is another.
Status http_download(const std::string& url, const std::filesystem::path& path, std::uint64_t num_bytes,
                     const HttpOptions& options, const std::function<void(std::uint64_t)>& on_bytes);

}  // namespace assay
