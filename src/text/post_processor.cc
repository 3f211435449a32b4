#include "text/post_processor.h"

#include <limits>

namespace assay::text {
namespace {

constexpr int kMaxDepth = 16;  // of Sequences in Sequences; real files have one

Error corrupt(const std::string& message) { return Error{ErrorCode::kCorrupt, "post_processor " + message}; }

// The ids of the special token `name`: member "ids" of its entry in "special_tokens".
Result<std::vector<std::int32_t>> ids_of(const Json& json, const std::string& name) {
  const Json* tokens = find_field(json, "special_tokens");
  const Json* token = tokens == nullptr ? nullptr : find_field(*tokens, name.c_str());
  const Json* ids = token == nullptr ? nullptr : find_field(*token, "ids");
  if (ids == nullptr || !ids->is_array()) {
    return corrupt("TemplateProcessing.special_tokens: '" + name + "' has no array of ids");
  }
  std::vector<std::int32_t> values;
  for (const Json& id : *ids) {
    const bool fits = id.is_number_integer() && id.get<std::int64_t>() >= 0 &&
                      id.get<std::int64_t>() <= std::numeric_limits<std::int32_t>::max();
    if (!fits) {
      return corrupt("TemplateProcessing.special_tokens: '" + name + "' has an id that is no token id");
    }
    values.push_back(id.get<std::int32_t>());
  }
  return values;
}

Result<PostProcessor> parse_template(const Json& json) {
  const Json* pieces = find_field(json, "single");
  if (pieces == nullptr || !pieces->is_array())
    return corrupt("TemplateProcessing.single: expected an array");
  PostProcessor processor;
  bool text_seen = false;
  for (const Json& piece : *pieces) {
    if (const Json* special = find_field(piece, "SpecialToken")) {
      ASSAY_TRY(const std::string name, string_field(*special, "id", "post_processor SpecialToken"));
      ASSAY_TRY(const std::vector<std::int32_t> ids, ids_of(json, name));
      auto& side = text_seen ? processor.after : processor.before;
      side.insert(side.end(), ids.begin(), ids.end());
    } else if (const Json* sequence = find_field(piece, "Sequence")) {
      ASSAY_TRY(const std::string name, string_field(*sequence, "id", "post_processor Sequence"));
      if (name != "A" || text_seen)
        return corrupt("TemplateProcessing.single: expected the text, A, exactly once");
      text_seen = true;
    } else {
      return corrupt("TemplateProcessing.single: expected SpecialToken or Sequence");
    }
  }
  if (!text_seen) return corrupt("TemplateProcessing.single: expected the text, A, exactly once");
  return processor;
}

Status add(const Json& json, int depth, PostProcessor* processor) {
  ASSAY_TRY(const std::string type, type_field(json, "post_processor"));
  if (type == "ByteLevel") return {};
  if (type == "TemplateProcessing") {
    ASSAY_TRY(const PostProcessor parsed, parse_template(json));
    processor->before.insert(processor->before.begin(), parsed.before.begin(), parsed.before.end());
    processor->after.insert(processor->after.end(), parsed.after.begin(), parsed.after.end());
    return {};
  }
  if (type == "Sequence") {
    const Json* members = find_field(json, "processors");
    if (members == nullptr || !members->is_array() || depth >= kMaxDepth) {
      return corrupt("Sequence.processors: expected an array, nested less than 16 deep");
    }
    for (const Json& member : *members) ASSAY_RETURN_IF_ERROR(add(member, depth + 1, processor));
    return {};
  }
  return Error{
      ErrorCode::kUnsupported,
      "post_processor '" + type + "' is not supported (known: Sequence, TemplateProcessing, ByteLevel)"};
}

}  // namespace

Result<PostProcessor> PostProcessor::parse(const Json& json) {
  PostProcessor processor;
  if (!json.is_null()) ASSAY_RETURN_IF_ERROR(add(json, 0, &processor));
  return processor;
}

}  // namespace assay::text
