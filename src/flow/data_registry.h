// Data sets that can be fetched by name and do not come from packages (picture_registry.h has those).
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace assay {

// A zip archive on a web server, of which a file or a folder is taken.
struct RegisteredArchive {
  std::string_view name;
  std::string_view description;
  std::string_view licence;
  std::string_view url;
  std::uint64_t num_bytes;  // of the archive
  std::string_view sha256;  // the same
  std::string_view member;  // a file, or a folder of files, which ends with '/'
  std::uint64_t num_files;  // that the folder has; of a file 1
  std::string_view target;  // what the member becomes, below the models folder
};

// Single pictures on a web server, <url>/<number of 12 digits>.jpg.
struct RegisteredWebPictures {
  std::string_view name;
  std::string_view description;
  std::string_view licence;
  std::string_view url;
  std::span<const std::int32_t> numbers;
  std::uint64_t num_bytes;  // of all, about
  std::string_view target;  // folder below the models folder
};

// One file of a data set on the Hugging Face hub.
struct RegisteredHubFile {
  std::string_view name;
  std::string_view description;
  std::string_view licence;
  std::string_view repository;  // OWNER/NAME
  std::string_view file;
  std::uint64_t num_bytes;
  std::string_view sha256;
};

std::span<const RegisteredArchive> registered_archives();
std::span<const RegisteredWebPictures> registered_web_pictures();
std::span<const RegisteredHubFile> registered_hub_files();

}  // namespace assay
