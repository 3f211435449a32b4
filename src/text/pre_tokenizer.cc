#include "text/pre_tokenizer.h"

#include <algorithm>

#include "text/unicode.h"

namespace assay::text {
namespace {

constexpr int kMaxDepth = 16;  // of Sequences in Sequences; real files have one
constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace

Result<PreTokenizer> PreTokenizer::parse(const Json& json) {
  PreTokenizer pre_tokenizer;
  if (!json.is_null()) ASSAY_RETURN_IF_ERROR(pre_tokenizer.add_steps(json, 0));
  return pre_tokenizer;
}

Status PreTokenizer::add_steps(const Json& json, int depth) {
  ASSAY_TRY(const std::string type, type_field(json, "pre_tokenizer"));
  if (type == "Sequence") {
    const Json* members = find_field(json, "pretokenizers");
    if (members == nullptr || !members->is_array() || depth >= kMaxDepth) {
      return Error{ErrorCode::kCorrupt,
                   "pre_tokenizer.pretokenizers: expected an array, nested less than 16 deep"};
    }
    for (const Json& member : *members) ASSAY_RETURN_IF_ERROR(add_steps(member, depth + 1));
    return {};
  }
  ASSAY_TRY(Step step, parse_step(type, json));
  steps_.push_back(std::move(step));
  return {};
}

Result<PreTokenizer::Step> PreTokenizer::parse_step(const std::string& type, const Json& json) {
  const std::string where = "pre_tokenizer " + type;
  if (type == "Split") return parse_split(json);
  if (type == "Metaspace") return parse_metaspace(json);
  if (type == "Digits") {
    ASSAY_TRY(const bool individual, bool_field(json, "individual_digits", std::nullopt, where));
    return Step{Digits{individual}};
  }
  if (type == "ByteLevel") {
    ASSAY_TRY(const bool add_prefix_space, bool_field(json, "add_prefix_space", std::nullopt, where));
    ASSAY_TRY(const bool use_regex, bool_field(json, "use_regex", true, where));
    ByteLevel byte_level{add_prefix_space, std::nullopt};
    if (use_regex) {
      ASSAY_TRY(Pattern words, Pattern::parse(Json{{"Regex", kGpt2Words}}, where));
      byte_level.words = Split{std::move(words), Behavior::kIsolated, false};
    }
    return Step{std::move(byte_level)};
  }
  return Error{
      ErrorCode::kUnsupported,
      "pre_tokenizer '" + type + "' is not supported (known: Sequence, ByteLevel, Split, Digits, Metaspace)"};
}

Result<PreTokenizer::Step> PreTokenizer::parse_split(const Json& json) {
  const std::string where = "pre_tokenizer Split";
  ASSAY_TRY(Pattern pattern, Pattern::parse(json.value("pattern", Json()), where + ".pattern"));
  ASSAY_TRY(const std::string name, string_field(json, "behavior", where));
  ASSAY_TRY(const bool invert, bool_field(json, "invert", false, where));
  for (const auto& [known, behavior] :
       {std::pair("Removed", Behavior::kRemoved), std::pair("Isolated", Behavior::kIsolated),
        std::pair("MergedWithPrevious", Behavior::kMergedWithPrevious),
        std::pair("MergedWithNext", Behavior::kMergedWithNext),
        std::pair("Contiguous", Behavior::kContiguous)}) {
    if (name == known) return Step{Split{std::move(pattern), behavior, invert}};
  }
  return Error{ErrorCode::kUnsupported, where + ".behavior: '" + name + "' is not supported"};
}

Result<PreTokenizer::Step> PreTokenizer::parse_metaspace(const Json& json) {
  const std::string where = "pre_tokenizer Metaspace";
  Metaspace metaspace{"", Prepend::kAlways, true};
  ASSAY_TRY(metaspace.replacement, string_field(json, "replacement", where));
  ASSAY_TRY(metaspace.split, bool_field(json, "split", true, where));
  std::size_t length = 0;
  if (!metaspace.replacement.empty()) next_code_point(metaspace.replacement, &length);
  if (length == 0 || length != metaspace.replacement.size()) {
    return Error{ErrorCode::kCorrupt, where + ".replacement: expected one character"};
  }
  if (find_field(json, "prepend_scheme") != nullptr) {
    ASSAY_TRY(const std::string scheme, string_field(json, "prepend_scheme", where));
    if (scheme != "first" && scheme != "never" && scheme != "always") {
      return Error{ErrorCode::kUnsupported, where + ".prepend_scheme: '" + scheme + "' is not supported"};
    }
    metaspace.prepend = scheme == "first"   ? Prepend::kFirst
                        : scheme == "never" ? Prepend::kNever
                                            : Prepend::kAlways;
  }
  ASSAY_TRY(const bool add_prefix_space, bool_field(json, "add_prefix_space", true, where));
  if (!add_prefix_space) metaspace.prepend = Prepend::kNever;
  return Step{std::move(metaspace)};
}

// What becomes of matches, span by span; a span without text never becomes a piece.
void PreTokenizer::cut(const std::vector<Span>& spans, Behavior behavior, const Pieces::Range& from,
                       std::vector<Pieces::Range>* ranges) {
  const std::size_t first = ranges->size();
  const auto push = [&](const Span& span) {
    ranges->push_back({from.begin + span.begin, from.begin + span.end, from.at_start && span.begin == 0});
  };
  bool previous_matched = false;
  if (behavior == Behavior::kMergedWithNext) {
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
      if (span->matched && !previous_matched && ranges->size() > first) {
        ranges->back().begin = from.begin + span->begin;
        ranges->back().at_start = from.at_start && span->begin == 0;
      } else {
        push(*span);
      }
      previous_matched = span->matched;
    }
    std::reverse(ranges->begin() + static_cast<std::ptrdiff_t>(first), ranges->end());
  } else {
    for (const Span& span : spans) {
      const bool joins = (behavior == Behavior::kMergedWithPrevious && span.matched && !previous_matched) ||
                         (behavior == Behavior::kContiguous && span.matched == previous_matched);
      previous_matched = span.matched;
      if (behavior == Behavior::kRemoved && span.matched) continue;
      if (joins && ranges->size() > first) {
        ranges->back().end = from.begin + span.end;
      } else {
        push(span);
      }
    }
  }
  const auto is_empty = [](const Pieces::Range& range) { return range.begin == range.end; };
  ranges->erase(std::remove_if(ranges->begin() + static_cast<std::ptrdiff_t>(first), ranges->end(), is_empty),
                ranges->end());
}

Status PreTokenizer::apply_split(const Split& split, Pieces* pieces) {
  std::vector<Pieces::Range> ranges;
  std::vector<Span> spans;
  for (std::size_t i = 0; i < pieces->ranges.size(); ++i) {
    spans.clear();
    ASSAY_RETURN_IF_ERROR(split.pattern.find_all((*pieces)[i], &spans));
    if (split.invert) {
      for (Span& span : spans) span.matched = !span.matched;
    }
    cut(spans, split.behavior, pieces->ranges[i], &ranges);
  }
  pieces->ranges = std::move(ranges);
  return {};
}

void PreTokenizer::apply_digits(const Digits& digits, Pieces* pieces) {
  std::vector<Pieces::Range> ranges;
  std::vector<Span> spans;
  for (std::size_t i = 0; i < pieces->ranges.size(); ++i) {
    spans.clear();
    const std::string_view piece = (*pieces)[i];
    for (std::size_t at = 0; at < piece.size();) {
      const std::size_t begin = at;
      const bool numeric = is_numeric(next_code_point(piece, &at));
      if (!numeric && !spans.empty() && !spans.back().matched) {
        spans.back().end = at;
      } else {
        spans.push_back({begin, at, numeric});
      }
    }
    cut(spans, digits.individual ? Behavior::kIsolated : Behavior::kContiguous, pieces->ranges[i], &ranges);
  }
  pieces->ranges = std::move(ranges);
}

Status PreTokenizer::apply_metaspace(const Metaspace& metaspace, Pieces* pieces) {
  Pieces rewritten;
  std::vector<Span> spans;
  for (std::size_t i = 0; i < pieces->ranges.size(); ++i) {
    const bool at_start = pieces->ranges[i].at_start;
    const std::string_view piece = (*pieces)[i];
    const std::size_t begin = rewritten.text.size();
    const bool wanted =
        metaspace.prepend == Prepend::kAlways || (metaspace.prepend == Prepend::kFirst && at_start);
    if (wanted && !piece.starts_with(' ') && !piece.starts_with(metaspace.replacement)) {
      rewritten.text += metaspace.replacement;
    }
    for (const char c : piece) c == ' ' ? rewritten.text += metaspace.replacement : rewritten.text += c;
    const Pieces::Range whole{begin, rewritten.text.size(), at_start};
    if (!metaspace.split) {
      rewritten.ranges.push_back(whole);
      continue;
    }
    const std::string_view text = std::string_view(rewritten.text).substr(begin);
    spans.clear();
    std::size_t covered = 0;
    for (std::size_t at = text.find(metaspace.replacement); at != std::string_view::npos;
         at = text.find(metaspace.replacement, covered)) {
      if (covered != at) spans.push_back({covered, at, false});
      covered = at + metaspace.replacement.size();
      spans.push_back({at, covered, true});
    }
    if (covered != text.size()) spans.push_back({covered, text.size(), false});
    cut(spans, Behavior::kMergedWithNext, whole, &rewritten.ranges);
  }
  *pieces = std::move(rewritten);
  return {};
}

Status PreTokenizer::apply_byte_level(const ByteLevel& byte_level, Pieces* pieces) const {
  if (byte_level.add_prefix_space) {
    Pieces prefixed;
    for (std::size_t i = 0; i < pieces->ranges.size(); ++i) {
      const std::size_t begin = prefixed.text.size();
      if (!(*pieces)[i].starts_with(' ')) prefixed.text += ' ';
      prefixed.text += (*pieces)[i];
      prefixed.ranges.push_back({begin, prefixed.text.size(), pieces->ranges[i].at_start});
    }
    *pieces = std::move(prefixed);
  }
  if (byte_level.words.has_value()) {
    ASSAY_RETURN_IF_ERROR(apply_split(*byte_level.words, pieces));
  }
  Pieces encoded;
  encoded.text.reserve(pieces->text.size() * 5 / 4);
  encoded.ranges.reserve(pieces->ranges.size());
  for (std::size_t i = 0; i < pieces->ranges.size(); ++i) {
    const std::size_t begin = encoded.text.size();
    alphabet_.append_encoded((*pieces)[i], &encoded.text);
    encoded.ranges.push_back({begin, encoded.text.size(), pieces->ranges[i].at_start});
  }
  *pieces = std::move(encoded);
  return {};
}

Status PreTokenizer::apply(Pieces* pieces) const {
  for (const Step& step : steps_) {
    if (const auto* split = std::get_if<Split>(&step)) {
      ASSAY_RETURN_IF_ERROR(apply_split(*split, pieces));
    } else if (const auto* byte_level = std::get_if<ByteLevel>(&step)) {
      ASSAY_RETURN_IF_ERROR(apply_byte_level(*byte_level, pieces));
    } else if (const auto* digits = std::get_if<Digits>(&step)) {
      apply_digits(*digits, pieces);
    } else {
      ASSAY_RETURN_IF_ERROR(apply_metaspace(std::get<Metaspace>(step), pieces));
    }
  }
  return {};
}

}  // namespace assay::text
