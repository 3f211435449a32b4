#include "text/gguf_pre_tokenizer.h"

#include <algorithm>
#include <iterator>

namespace assay::text {
namespace {

enum class Family {
  kGpt2,
  kDigitsThenGpt2,
  kLlama3,
  kQwen2,
  kQwen35,
  kGpt4o,
  kTekken,
  kDeepseekCoder,
  kDeepseekV3,
  kDefault
};

struct Known {
  const char* name;
  Family family;
  bool nfc = false;
  bool ignore_merges = false;
  bool add_bos = false;
};

constexpr Known kKnown[] = {
    {"default", Family::kDefault},
    {"gpt-2", Family::kGpt2},
    {"phi-2", Family::kGpt2},
    {"jais", Family::kGpt2},
    {"trillion", Family::kGpt2},
    {"granite-docling", Family::kGpt2},
    {"mpt", Family::kGpt2, true},
    {"olmo", Family::kGpt2, true},
    {"gpt-neox", Family::kGpt2, true},
    {"smollm", Family::kDigitsThenGpt2},
    {"starcoder", Family::kDigitsThenGpt2},
    {"refact", Family::kDigitsThenGpt2},
    {"codeshell", Family::kDigitsThenGpt2},
    {"command-r", Family::kDigitsThenGpt2, true},
    {"llama-bpe", Family::kLlama3, false, true, true},
    {"llama3", Family::kLlama3, false, true, true},
    {"llama-v3", Family::kLlama3, false, true, true},
    {"falcon3", Family::kLlama3, false, true, true},
    {"falcon-h1", Family::kLlama3, false, true, true},
    {"lfm2", Family::kLlama3, false, true, true},
    {"dbrx", Family::kLlama3},
    {"smaug-bpe", Family::kLlama3},
    {"glm4", Family::kLlama3},
    {"chatglm-bpe", Family::kLlama3},
    {"qwen2", Family::kQwen2, true},
    {"deepseek-r1-qwen", Family::kQwen2, true},
    {"megrez", Family::kQwen2, true},
    {"stablelm2", Family::kQwen2},
    {"qwen35", Family::kQwen35, true},
    {"gpt-4o", Family::kGpt4o},
    {"llama4", Family::kGpt4o},
    {"tekken", Family::kTekken, false, true, true},
    {"deepseek-coder", Family::kDeepseekCoder},
    {"deepseek-v3", Family::kDeepseekV3},
};

constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepseekV3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json byte_level(bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json digits() { return {{"type", "Digits"}, {"individual_digits", true}}; }

Json sequence(Json members) { return {{"type", "Sequence"}, {"pretokenizers", std::move(members)}}; }

// Each pattern isolates what it matches, one after the other.
Json splits(std::initializer_list<const char*> patterns) {
  Json members = Json::array();
  for (const char* pattern : patterns) {
    members.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  members.push_back(byte_level(/*use_regex=*/false));
  return sequence(std::move(members));
}

Json pre_tokenizer_of(Family family) {
  switch (family) {
    case Family::kGpt2:
      return byte_level(/*use_regex=*/true);
    case Family::kDigitsThenGpt2:
      return sequence(Json::array({digits(), byte_level(/*use_regex=*/true)}));
    case Family::kLlama3:
      return splits({kLlama3});
    case Family::kQwen2:
      return splits({kQwen2});
    case Family::kQwen35:
      return splits({kQwen35});
    case Family::kGpt4o:
      return splits({kGpt4o});
    case Family::kTekken:
      return splits({kTekken});
    case Family::kDeepseekCoder:
      return splits({R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[一-龥ࠀ-一가-퟿]+", R"(\p{N})"});
    case Family::kDeepseekV3:
      return splits({R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+", kDeepseekV3});
    case Family::kDefault:
      break;
  }
  return splits({R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"});
}

}  // namespace

Result<GgufPreTokenizer> gguf_pre_tokenizer(const std::string& name) {
  const auto known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                  [&](const Known& entry) { return name == entry.name; });
  if (known == std::end(kKnown)) {
    std::string names;
    for (const Known& entry : kKnown) names += std::string(names.empty() ? "" : ", ") + entry.name;
    return Error{ErrorCode::kUnsupported,
                 "tokenizer.ggml.pre: '" + name + "' is not supported (known: " + names + ")"};
  }
  return GgufPreTokenizer{pre_tokenizer_of(known->family), known->nfc ? Json{{"type", "NFC"}} : Json(nullptr),
                          known->ignore_merges, known->add_bos};
}

}  // namespace assay::text
