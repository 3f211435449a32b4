#include "text/vocabulary.h"

namespace assay::text {

Status Vocabulary::add(std::string_view token, std::int64_t id) {
  if (id < 0 || id >= kMaxSize) {
    return Error{ErrorCode::kResourceLimit, "vocabulary: token '" + std::string(token) + "' has id " +
                                                std::to_string(id) + ", expected 0 to " +
                                                std::to_string(kMaxSize - 1)};
  }
  const auto index = static_cast<std::size_t>(id);
  if (index >= tokens_.size()) tokens_.resize(index + 1);
  if (tokens_[index] != nullptr) {
    return Error{ErrorCode::kCorrupt, "vocabulary: id " + std::to_string(id) + " is that of '" +
                                          *tokens_[index] + "' and of '" + std::string(token) + "'"};
  }
  auto text = std::make_unique<std::string>(token);
  const auto [taken, is_new] = ids_.try_emplace(std::string_view(*text), static_cast<std::int32_t>(id));
  if (!is_new) {
    return Error{ErrorCode::kCorrupt, "vocabulary: token '" + *text + "' has the ids " +
                                          std::to_string(taken->second) + " and " + std::to_string(id)};
  }
  tokens_[index] = std::move(text);
  return {};
}

const std::string* Vocabulary::token(std::int32_t id) const {
  return id >= 0 && id < size() ? tokens_[static_cast<std::size_t>(id)].get() : nullptr;
}

std::optional<std::int32_t> Vocabulary::id(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace assay::text
