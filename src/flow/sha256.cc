#include "flow/sha256.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/check.h"
#include "base/interrupt.h"
#include "base/mapped_file.h"

namespace assay {

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  ASSAY_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1);
}

Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

void Sha256::add(ByteView bytes) { ASSAY_CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1); }

std::string Sha256::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  ASSAY_CHECK(EVP_DigestFinal_ex(context_, digest, &length) == 1);
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

Result<std::string> sha256_of_file(const std::filesystem::path& path) {
  constexpr std::size_t kStep = std::size_t{16} << 20;
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  Sha256 hash;
  for (std::size_t begin = 0; begin < file.bytes().size(); begin += kStep) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    hash.add(file.bytes().subspan(begin, std::min(kStep, file.bytes().size() - begin)));
  }
  return hash.finish();
}

}  // namespace assay
