#include "text/decoder.h"

#include <optional>

#include "text/unicode.h"

namespace assay::text {
namespace {

constexpr int kMaxDepth = 16;  // of Sequences in Sequences; real files have one

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return std::nullopt;
}

// The byte that a token like <0x0A> stands for.
std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return std::nullopt;
  const auto high = hex_digit(token[3]), low = hex_digit(token[4]);
  if (!high.has_value() || !low.has_value()) return std::nullopt;
  return static_cast<char>(*high << 4 | *low);
}

// Runs of byte tokens become text; a run that is not UTF-8 becomes one U+FFFD for each byte.
std::vector<std::string> join_fallback_bytes(const std::vector<std::string>& tokens) {
  std::vector<std::string> joined;
  std::string run;
  const auto flush = [&] {
    if (run.empty()) return;
    if (find_invalid_utf8(run).has_value()) {
      for (std::size_t i = 0; i < run.size(); ++i) joined.push_back("\xEF\xBF\xBD");
    } else {
      joined.push_back(run);
    }
    run.clear();
  };
  for (const std::string& token : tokens) {
    if (const auto byte = fallback_byte(token)) {
      run.push_back(*byte);
    } else {
      flush();
      joined.push_back(token);
    }
  }
  flush();
  return joined;
}

std::string strip(std::string_view token, std::string_view content, std::int64_t start, std::int64_t stop) {
  for (; start > 0 && token.starts_with(content); --start) token.remove_prefix(content.size());
  for (; stop > 0 && token.ends_with(content); --stop) token.remove_suffix(content.size());
  return std::string(token);
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string replaced;
  std::size_t covered = 0;
  for (std::size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, covered)) {
    replaced += text.substr(covered, at - covered);
    replaced += to;
    covered = at + from.size();
  }
  replaced += text.substr(covered);
  return replaced;
}

std::string join(const std::vector<std::string>& tokens, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += separator;
    text += tokens[i];
  }
  return text;
}

Result<std::string> one_character(const Json& json, const char* key, const std::string& where) {
  ASSAY_TRY(std::string content, string_field(json, key, where));
  std::size_t length = 0;
  if (!content.empty()) next_code_point(content, &length);
  if (length == 0 || length != content.size()) {
    return Error{ErrorCode::kCorrupt, where + "." + key + ": expected one character"};
  }
  return content;
}

}  // namespace

Result<Decoder> Decoder::parse(const Json& json) {
  Decoder decoder;
  if (!json.is_null()) ASSAY_RETURN_IF_ERROR(decoder.add_steps(json, 0));
  return decoder;
}

Status Decoder::add_steps(const Json& json, int depth) {
  ASSAY_TRY(const std::string type, type_field(json, "decoder"));
  if (type == "Sequence") {
    const Json* members = find_field(json, "decoders");
    if (members == nullptr || !members->is_array() || depth >= kMaxDepth) {
      return Error{ErrorCode::kCorrupt, "decoder.decoders: expected an array, nested less than 16 deep"};
    }
    for (const Json& member : *members) ASSAY_RETURN_IF_ERROR(add_steps(member, depth + 1));
    return {};
  }
  ASSAY_TRY(Step step, parse_step(type, json));
  steps_.push_back(std::move(step));
  return {};
}

Result<Decoder::Step> Decoder::parse_step(const std::string& type, const Json& json) {
  const std::string where = "decoder " + type;
  if (type == "ByteLevel") return Step{ByteLevel{}};
  if (type == "ByteFallback") return Step{ByteFallback{}};
  if (type == "Fuse") return Step{Fuse{}};
  if (type == "Metaspace") {
    ASSAY_TRY(std::string replacement, one_character(json, "replacement", where));
    ASSAY_TRY(const bool add_prefix_space, bool_field(json, "add_prefix_space", true, where));
    const Json* scheme = find_field(json, "prepend_scheme");
    const bool never = !add_prefix_space || (scheme != nullptr && *scheme == "never");
    return Step{Metaspace{std::move(replacement), !never}};
  }
  if (type == "Replace") {
    ASSAY_TRY(Pattern pattern, Pattern::parse(json.value("pattern", Json()), where + ".pattern"));
    ASSAY_TRY(std::string content, string_field(json, "content", where));
    return Step{Replace{std::move(pattern), std::move(content)}};
  }
  if (type == "Strip") {
    ASSAY_TRY(std::string content, one_character(json, "content", where));
    ASSAY_TRY(const std::int64_t start, integer_field(json, "start", where));
    ASSAY_TRY(const std::int64_t stop, integer_field(json, "stop", where));
    return Step{Strip{std::move(content), start, stop}};
  }
  return Error{ErrorCode::kUnsupported,
               "decoder '" + type +
                   "' is not supported (known: Sequence, ByteLevel, Metaspace, Replace, "
                   "ByteFallback, Fuse, Strip)"};
}

std::string Decoder::bytes_of_stand_ins(std::string_view token) const {
  return alphabet_.decode(token).value_or(std::string(token));
}

std::vector<std::string> Decoder::apply(const Step& step, std::vector<std::string> tokens) const {
  if (std::holds_alternative<ByteLevel>(step)) {
    std::string bytes;
    for (const std::string& token : tokens) bytes += bytes_of_stand_ins(token);
    return {replace_invalid_utf8(bytes)};
  }
  if (std::holds_alternative<ByteFallback>(step)) return join_fallback_bytes(tokens);
  if (std::holds_alternative<Fuse>(step)) return {join(tokens, "")};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::string& token = tokens[i];
    if (const auto* metaspace = std::get_if<Metaspace>(&step)) {
      token = replace_all(token, metaspace->replacement, i == 0 && metaspace->prepends ? "" : " ");
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      // A pattern that gives up on a token leaves it as it is: decoding has no way to fail.
      if (auto replaced = replace->pattern.replace(token, replace->content)) token = *std::move(replaced);
    } else if (const auto* stripping = std::get_if<Strip>(&step)) {
      token = strip(token, stripping->content, stripping->start, stripping->stop);
    }
  }
  return tokens;
}

std::string Decoder::decode(std::vector<std::string> tokens) const {
  if (steps_.empty()) return join(tokens, " ");
  for (const Step& step : steps_) tokens = apply(step, std::move(tokens));
  return join(tokens, "");
}

std::string Decoder::token_bytes(std::string_view token) const {
  std::string bytes(token);
  for (const Step& step : steps_) {
    if (std::holds_alternative<ByteLevel>(step)) return bytes_of_stand_ins(bytes);
    if (std::holds_alternative<ByteFallback>(step)) {
      if (const auto byte = fallback_byte(bytes)) return std::string(1, *byte);
    } else if (const auto* metaspace = std::get_if<Metaspace>(&step)) {
      bytes = replace_all(bytes, metaspace->replacement, " ");
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      if (auto replaced = replace->pattern.replace(bytes, replace->content)) bytes = *std::move(replaced);
    }
  }
  return bytes;
}

}  // namespace assay::text
