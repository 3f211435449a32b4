#include "base/digest.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/check.h"
#include "base/interrupt.h"
#include "base/mapped_file.h"

namespace assay {
namespace {

// Digests of any algorithm of OpenSSL.
void start(EVP_MD_CTX* context, const EVP_MD* algorithm) {
  ASSAY_CHECK(context != nullptr && EVP_DigestInit_ex(context, algorithm, nullptr) == 1);
}
void extend(EVP_MD_CTX* context, ByteView bytes) {
  ASSAY_CHECK(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
}

std::string hexadecimal(EVP_MD_CTX* context) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  ASSAY_CHECK(EVP_DigestFinal_ex(context, digest, &length) == 1);
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { start(context_, EVP_sha256()); }

Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

void Sha256::add(ByteView bytes) { extend(context_, bytes); }

std::string Sha256::finish() { return hexadecimal(context_); }

std::string sha256_of(ByteView content) {
  Sha256 hash;
  hash.add(content);
  return hash.finish();
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

std::string git_blob_id(ByteView content) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  start(context, EVP_sha1());
  const std::string header = "blob " + std::to_string(content.size());
  extend(context,
         ByteView(reinterpret_cast<const std::byte*>(header.c_str()), header.size() + 1));  // with its NUL
  extend(context, content);
  std::string id = hexadecimal(context);
  EVP_MD_CTX_free(context);
  return id;
}

}  // namespace assay
