#include "flow/generate.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "engine/forward.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPromptChunk = 512;  // tokens between two looks at whether the user has asked to stop
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bounds of the second byte for a lead byte, and the length of the character; length 0 where no character
// starts so. Source: Unicode, table 3-7 (well-formed UTF-8 byte sequences).
struct LeadByte {
  std::size_t length;
  unsigned char low, high;
};
LeadByte lead_byte(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte >= 0xE0 && byte <= 0xEF) {
    return {3, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF)};
  }
  if (byte >= 0xF0 && byte <= 0xF4) {
    return {4, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80),
            static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF)};
  }
  return {0, 0, 0};
}

// How many bytes at the start of `text` belong together, and whether they are a character, part of one, or
// neither.
enum class Piece { kCharacter, kIncomplete, kInvalid };
std::pair<Piece, std::size_t> next_piece(std::string_view text) {
  const LeadByte lead = lead_byte(static_cast<unsigned char>(text[0]));
  if (lead.length == 0) return {Piece::kInvalid, 1};
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {Piece::kIncomplete, i};
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool fits = i == 1 ? byte >= lead.low && byte <= lead.high : byte >= 0x80 && byte <= 0xBF;
    if (!fits) return {Piece::kInvalid, i};
  }
  return {Piece::kCharacter, lead.length};
}

bool ends_text(const LanguageModel& model, const Tokenizer& tokenizer, std::int32_t id) {
  const auto& ids = model.config.eos_ids;
  return tokenizer.eos_id() == id || std::find(ids.begin(), ids.end(), id) != ids.end();
}

// The logits after the prompt.
Result<Matrix<float>> read_prompt(Forward& forward, KvCache& cache, std::span<const std::int32_t> ids) {
  Matrix<float> logits;
  for (std::size_t begin = 0; begin < ids.size(); begin += kPromptChunk) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_TRY(logits,
              forward.next_logits(ids.subspan(begin, std::min(kPromptChunk, ids.size() - begin)), cache));
  }
  return logits;
}

std::span<const float> row(const Matrix<float>& logits) { return logits.values(); }

}  // namespace

const char* to_string(StopReason reason) {
  switch (reason) {
    case StopReason::kEndOfText:
      return "end of text";
    case StopReason::kMaxTokens:
      return "token limit";
    case StopReason::kContextFull:
      return "context full";
  }
  return "";
}

std::string Utf8Stream::add(std::string_view bytes) {
  pending_ += bytes;
  std::string out;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const auto [piece, length] = next_piece(rest);
    if (piece == Piece::kIncomplete) break;
    out += piece == Piece::kCharacter ? rest.substr(0, length) : kReplacement;
    rest.remove_prefix(length);
  }
  pending_ = std::string(rest);
  return out;
}

std::string Utf8Stream::finish() {
  return std::exchange(pending_, {}).empty() ? std::string() : std::string(kReplacement);
}

Result<Generation> generate(const LanguageModel& model, const Tokenizer& tokenizer, std::string_view prompt,
                            const GenerateOptions& options, const KernelContext& kernels,
                            const std::function<void(std::string_view)>& on_text) {
  if (options.max_tokens < 0) {
    return Error{ErrorCode::kInvalidArgument,
                 "max_tokens is " + std::to_string(options.max_tokens) + ", expected at least 0"};
  }
  ASSAY_TRY(Sampler sampler, Sampler::create(options.sampling, *kernels.table));
  Generation result;
  ASSAY_TRY(result.prompt_ids, tokenizer.encode(prompt, true));
  if (result.prompt_ids.empty())
    return Error{ErrorCode::kInvalidArgument, "the prompt has no tokens; give some text to continue"};
  Forward forward(model, kernels);
  KvCache cache(model.config, kernels.activations);
  auto start = Clock::now();
  ASSAY_TRY(Matrix<float> logits, read_prompt(forward, cache, result.prompt_ids));
  result.prompt_seconds = seconds_since(start);
  Utf8Stream stream;
  const auto emit = [&](const std::string& text) {
    result.text += text;
    if (on_text && !text.empty()) on_text(text);
  };
  start = Clock::now();
  while (static_cast<std::int64_t>(result.ids.size()) < options.max_tokens) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_TRY(const std::int32_t id, sampler.sample(row(logits)));
    if (ends_text(model, tokenizer, id)) {
      result.stop = StopReason::kEndOfText;
      break;
    }
    result.ids.push_back(id);
    emit(stream.add(tokenizer.token_bytes(id)));
    if (static_cast<std::int64_t>(result.ids.size()) == options.max_tokens) break;
    if (cache.length() >= model.config.max_positions) {
      result.stop = StopReason::kContextFull;
      break;
    }
    ASSAY_TRY(logits, forward.next_logits(std::span(&id, 1), cache));
    ++result.steps;
  }
  result.generation_seconds = seconds_since(start);
  emit(stream.finish());
  return result;
}

}  // namespace assay
