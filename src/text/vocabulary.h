// vocabulary.h: token texts by id and ids by text.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace assay::text {

// Ids may have gaps. Movable, not copyable; thread safe once filled.
class Vocabulary {
 public:
  static constexpr std::int64_t kMaxSize = std::int64_t{1} << 22;  // the largest real ones have 2^18

  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  // Errors: kCorrupt where the id or the text is taken, kResourceLimit where the id is outside of [0,
  // kMaxSize).
  Status add(std::string_view token, std::int64_t id);

  std::int32_t size() const { return static_cast<std::int32_t>(tokens_.size()); }  // 1 + the greatest id
  std::int32_t num_tokens() const { return static_cast<std::int32_t>(ids_.size()); }
  const std::string* token(std::int32_t id) const;  // nullptr: no such id
  std::optional<std::int32_t> id(std::string_view token) const;

 private:
  std::vector<std::unique_ptr<std::string>> tokens_;  // by id; null in a gap
  std::unordered_map<std::string_view, std::int32_t> ids_;
};

}  // namespace assay::text
