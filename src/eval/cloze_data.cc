#include "eval/cloze_data.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "eval/unicode.h"

namespace assay::eval {
namespace {

constexpr std::string_view kBlank = " \t\r\n\f\v";

struct Line {
  std::int64_t number;  // from 1
  std::string_view text;
};

Error at_line(std::int64_t number, const std::string& problem) {
  return {ErrorCode::kCorrupt, "line " + std::to_string(number) + ": " + problem};
}

// Lines with something on them. '\n' ends a line, a '\r' before it belongs to the end.
std::vector<Line> lines_of(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<Line> lines;
  for (std::int64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(kBlank) != std::string_view::npos) lines.push_back({number, line});
  }
  return lines;
}

bool looks_like_json(std::string_view line) { return line[line.find_first_not_of(kBlank)] == '{'; }

Result<ClozeExample> split_passage(std::int64_t number, std::string_view passage) {
  const std::size_t space = passage.rfind(' ');
  if (space == std::string_view::npos) {
    return at_line(number, "no space in the passage; expected a context, a space and the last word");
  }
  if (passage.find_first_not_of(kBlank, space) == std::string_view::npos) {
    return at_line(
        number, "no word after the last space of the passage; expected it to end in the word to be guessed");
  }
  return ClozeExample{std::string(passage.substr(0, space)), std::string(passage.substr(space))};
}

Result<std::string> passage_of_json(const Line& line) {
  try {
    const auto object = nlohmann::json::parse(line.text);
    if (!object.is_object()) return at_line(line.number, "not a JSON object; expected {\"text\": \"...\"}");
    const auto text = object.find("text");
    if (text == object.end())
      return at_line(line.number, "\"text\" is missing; expected {\"text\": \"...\"}");
    if (!text->is_string()) {
      return at_line(line.number, std::string("\"text\" is a ") + text->type_name() + "; expected a string");
    }
    return text->get<std::string>();
  } catch (const nlohmann::json::parse_error& error) {
    return at_line(line.number, "invalid JSON at byte " + std::to_string(error.byte) +
                                    " of the line; expected one object {\"text\": \"...\"} per line");
  } catch (const nlohmann::json::exception&) {
    return at_line(line.number, "a number in the JSON object is out of range");
  }
}

// With kAuto a file is either all JSON objects or all plain text: `first` has decided, `line` must agree.
Status check_same_format(const Line& first, bool json, const Line& line) {
  if (json == looks_like_json(line.text)) return {};
  if (json) {
    return at_line(line.number, "plain text, but line " + std::to_string(first.number) +
                                    " is a JSON object; expected all lines of one file to be of one format");
  }
  // A passage may start with a brace; only a whole object is taken for a line of the other format.
  if (!nlohmann::json::accept(line.text)) return {};
  return at_line(line.number, "a JSON object, but line " + std::to_string(first.number) +
                                  " is plain text; expected all lines of one file to be of one format");
}

}  // namespace

Result<std::vector<ClozeExample>> parse_cloze_examples(ByteView file, ClozeFormat format) {
  const std::vector<Line> lines = lines_of(as_text(file));
  if (lines.empty())
    return Error{ErrorCode::kCorrupt, "no passages: the file is empty or has blank lines only"};
  const bool detect = format == ClozeFormat::kAuto;
  const bool json = detect ? looks_like_json(lines.front().text) : format == ClozeFormat::kJsonLines;
  if (detect && lines.front().text.starts_with('[') && nlohmann::json::accept(as_text(file))) {
    return at_line(lines.front().number, "a JSON array over the whole file; expected one object per line");
  }
  std::vector<ClozeExample> examples;
  examples.reserve(lines.size());
  for (const Line& line : lines) {
    if (const std::size_t valid = first_invalid_utf8(line.text); valid < line.text.size()) {
      return at_line(line.number, "invalid UTF-8 at byte " + std::to_string(valid + 1) + " of the line");
    }
    if (detect) ASSAY_RETURN_IF_ERROR(check_same_format(lines.front(), json, line));
    std::string passage(line.text);
    if (json) {
      ASSAY_TRY(passage, passage_of_json(line));
    }
    ASSAY_TRY(ClozeExample example, split_passage(line.number, passage));
    examples.push_back(std::move(example));
  }
  return examples;
}

}  // namespace assay::eval
