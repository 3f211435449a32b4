// Digests: of what was downloaded, to check it, and of what was measured, to know it again.
#pragma once
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

struct evp_md_ctx_st;

namespace assay {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(ByteView bytes);
  // 64 lower-case hexadecimal digits. Call once, last.
  std::string finish();

 private:
  evp_md_ctx_st* context_;
};

std::string sha256_of(ByteView content);

// Of a whole file. Errors: those of MappedFile, kInterrupted.
Result<std::string> sha256_of_file(const std::filesystem::path& path);

// The id that git gives a file of this content (SHA-1), 40 lower-case hexadecimal digits: guards against
// accidents only.
std::string git_blob_id(ByteView content);

}  // namespace assay
