// Downloads over HTTP, resumable and interruptible.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"

namespace assay {

struct HttpOptions {
  std::string bearer_token;  // sent to the first host only, never to where it redirects
};

// The body of a GET. Errors: kNotFound (404), kIo (any other failure, with the server's or libcurl's reason),
// kResourceLimit (longer than max_bytes), kInterrupted.
Result<std::string> http_get(const std::string& url, std::size_t max_bytes, const HttpOptions& options);

// Makes `path` hold the `num_bytes` bytes behind `url`. What `path` holds already counts as the beginning and
// is not asked for again; a connection that breaks is taken up again some times. `on_bytes` gets the number
// of bytes there are. An https:// address is never left for an unencrypted one. Errors: as http_get; kIo when
// the length is another.
Status http_download(const std::string& url, const std::filesystem::path& path, std::uint64_t num_bytes,
                     const HttpOptions& options, const std::function<void(std::uint64_t)>& on_bytes);

}  // namespace assay
