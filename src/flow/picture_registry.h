// Sets of pictures that can be fetched by name.
#pragma once
#include <span>
#include <string_view>

#include "flow/model_registry.h"

namespace assay {

struct RegisteredPicture {
  std::string_view file;  // below the set's folder, in one folder of it at most
  PackageMember from;
  std::string_view sha256;  // lower-case hexadecimal
};

struct RegisteredPictures {
  std::string_view name;
  std::string_view description;
  std::string_view licence;
  std::string_view folder;                      // below the models folder
  std::uint64_t download_bytes;                 // of all its packages
  std::span<const RegisteredPicture> pictures;  // those of one package together
};

std::span<const RegisteredPictures> registered_pictures();
// nullptr where unknown.
const RegisteredPictures* find_registered_pictures(std::string_view name);

}  // namespace assay
