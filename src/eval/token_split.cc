#include "eval/token_split.h"

#include <algorithm>
#include <string>
#include <utility>

#include "eval/unicode.h"

namespace assay::eval {
namespace {

struct EncodedPair {
  std::vector<std::int32_t> context;
  std::vector<std::int32_t> targets;
};

Result<EncodedPair> encode_without_context(std::string_view target, const EncodeText& encode,
                                           std::int32_t prefix_token_id) {
  ASSAY_TRY(std::vector<std::int32_t> targets, encode(target, /*add_special_tokens=*/false));
  if (!targets.empty() && targets.front() == prefix_token_id) targets.erase(targets.begin());
  return EncodedPair{{prefix_token_id}, std::move(targets)};
}

Result<EncodedPair> encode_pair(std::string_view context, std::string_view target, const EncodeText& encode) {
  const std::string whole_text = std::string(context) + std::string(target);
  context.remove_suffix(trailing_space_bytes(context));
  ASSAY_TRY(const std::vector<std::int32_t> whole, encode(whole_text, /*add_special_tokens=*/true));
  ASSAY_TRY(std::vector<std::int32_t> context_tokens, encode(context, /*add_special_tokens=*/true));
  const std::size_t border = std::min(context_tokens.size(), whole.size());
  std::vector<std::int32_t> targets(whole.begin() + static_cast<std::ptrdiff_t>(border), whole.end());
  return EncodedPair{std::move(context_tokens), std::move(targets)};
}

}  // namespace

Result<ScoredTokens> split_context_and_target(std::string_view context, std::string_view target,
                                              const EncodeText& encode, const SplitOptions& options) {
  if (options.max_length <= 0) {
    return Error{ErrorCode::kInvalidArgument,
                 "max_length is " + std::to_string(options.max_length) + "; expected at least 1"};
  }
  if (first_invalid_utf8(context) < context.size()) {
    return Error{ErrorCode::kInvalidArgument, "the context is not valid UTF-8"};
  }
  ASSAY_TRY(EncodedPair pair, context.empty()
                                  ? encode_without_context(target, encode, options.prefix_token_id)
                                  : encode_pair(context, target, encode));
  if (pair.context.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the context has no tokens; expected text other than white space"};
  }
  if (pair.targets.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "no token is left for the target \"" + std::string(target) + "\""};
  }
  const auto max_length = static_cast<std::size_t>(options.max_length);
  if (pair.targets.size() > max_length) {
    return Error{ErrorCode::kResourceLimit, "the target has " + std::to_string(pair.targets.size()) +
                                                " tokens; the model reads at most " +
                                                std::to_string(max_length)};
  }
  ScoredTokens scored;
  scored.input = std::move(pair.context);
  scored.input.insert(scored.input.end(), pair.targets.begin(), pair.targets.end() - 1);
  if (scored.input.size() > max_length) {
    scored.truncated = true;
    scored.input.erase(scored.input.begin(), scored.input.end() - static_cast<std::ptrdiff_t>(max_length));
  }
  scored.first_scored = static_cast<std::int64_t>(scored.input.size() - pair.targets.size());
  scored.targets = std::move(pair.targets);
  return scored;
}

}  // namespace assay::eval
