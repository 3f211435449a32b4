// Brings files from web servers by address.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "base/progress.h"
#include "base/result.h"
#include "flow/data_registry.h"
#include "flow/fetch/fetch_report.h"
#include "flow/fetch/http.h"
#include "flow/model_registry.h"

namespace assay {

// For all three: what is there already is left alone. A download collects in <file>.partial, from which the
// next call goes on, and what is fetched gets its name in one step. Errors: those of http_download; kCorrupt
// (hash, archive, picture); kIo (another process that fetches the same among it); kInterrupted.

// REQUIRES: model.url is not empty. Checked by size and SHA-256.
Result<FetchReport> fetch_web_model(const RegisteredModel& model, const std::filesystem::path& models,
                                    const HttpOptions& http, Progress& progress);

// The archive is checked by size and SHA-256, each file taken out of it by its CRC-32, a folder by the number
// of its files; then the archive is removed.
Result<FetchReport> fetch_web_archive(const RegisteredArchive& archive, const std::filesystem::path& models,
                                      const HttpOptions& http, Progress& progress);

// No hashes are known of these: each has to arrive in the length that the server announces, and to begin and
// end as a JPEG does.
Result<FetchReport> fetch_web_pictures(const RegisteredWebPictures& set, const std::filesystem::path& models,
                                       const HttpOptions& http, Progress& progress);

// The file name of a picture of a set.
std::string picture_file(std::int32_t number);

}  // namespace assay
