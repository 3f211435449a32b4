#include "flow/calibration.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "flow/fnv.h"
#include "formats/json/json_reader.h"

namespace assay {
namespace {

using nlohmann::json;
// Lists of ids nest two levels deep, inside an object three; what stands beside a text may nest as it likes, within reason.
constexpr int kMaxIdsDepth = 8;
constexpr int kMaxLineDepth = 64;

using Sequences = std::vector<std::vector<std::int32_t>>;

Error bad_file(const std::string& name, const std::string& problem) { return {ErrorCode::kCorrupt, name + ": " + problem}; }

Result<Sequences> ids_from_json(const json& samples, const std::string& name, std::int64_t vocabulary_size, const CalibrationOptions& options) {
  Sequences sequences;
  for (const auto& sample : samples) {
    if (static_cast<std::int64_t>(sequences.size()) == options.samples) break;
    const std::string where = "sample " + std::to_string(sequences.size() + 1);
    if (!sample.is_array()) return bad_file(name, where + ": expected a list of token ids");
    std::vector<std::int32_t> ids;
    for (const auto& id : sample) {
      if (static_cast<std::int64_t>(ids.size()) == options.sequence_length) break;
      const bool valid = id.is_number_integer() && id.get<std::int64_t>() >= 0 && id.get<std::int64_t>() < vocabulary_size;
      if (!valid) {
        return Error{ErrorCode::kInvalidArgument, name + ": " + where + " holds " + id.dump() + ", expected token ids below " + std::to_string(vocabulary_size) +
                                                      "; were the ids made with another model's tokenizer?"};
      }
      ids.push_back(id.get<std::int32_t>());
    }
    if (!ids.empty()) sequences.push_back(std::move(ids));
  }
  return sequences;
}

// {"text": ...} per line, or one text.
Result<std::string> joined_text(std::string_view file, const std::string& name) {
  const auto first = file.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || file[first] != '{') return std::string(file);
  std::string text;
  std::size_t line_number = 0;
  while (!file.empty()) {
    const auto end = std::min(file.find('\n'), file.size());
    const std::string_view line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto object = parse_json(as_bytes(line), kMaxLineDepth);
    if (!object || !object->is_object() || !object->contains("text") || !(*object)["text"].is_string()) {
      return bad_file(name, "line " + std::to_string(line_number) + ": expected a JSON object with a string \"text\"");
    }
    if (!text.empty()) text += "\n\n";
    text += (*object)["text"].get<std::string>();
  }
  return text;
}

// Cuts the ids into whole pieces and draws options.samples of them by the seed, in the order of the text.
Sequences draw_pieces(const std::vector<std::int32_t>& ids, const CalibrationOptions& options) {
  const auto length = static_cast<std::size_t>(options.sequence_length);
  if (ids.size() <= length) return ids.empty() ? Sequences{} : Sequences{ids};
  std::vector<std::size_t> pieces(ids.size() / length);
  std::iota(pieces.begin(), pieces.end(), std::size_t{0});
  Rng rng(options.seed);
  for (std::size_t i = pieces.size(); i > 1; --i) std::swap(pieces[i - 1], pieces[rng.below(i)]);
  pieces.resize(std::min(pieces.size(), static_cast<std::size_t>(options.samples)));
  std::sort(pieces.begin(), pieces.end());
  Sequences sequences;
  for (const std::size_t piece : pieces) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(piece * length);
    sequences.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(length));
  }
  return sequences;
}

Result<Sequences> read_sequences(std::string_view file, const std::string& name, const Tokenizer& tokenizer, std::int64_t vocabulary_size,
                                 const CalibrationOptions& options) {
  const auto first = file.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return Error{ErrorCode::kInvalidArgument, name + ": is empty, expected calibration text or token ids"};
  if (file[first] == '[' || file.substr(0, 4096).find("\"samples\"") != std::string_view::npos) {
    const auto document = parse_json(as_bytes(file), kMaxIdsDepth);
    if (document && document->is_array()) return ids_from_json(*document, name, vocabulary_size, options);
    if (document && document->is_object() && document->contains("samples") && (*document)["samples"].is_array()) {
      return ids_from_json((*document)["samples"], name, vocabulary_size, options);
    }
    if (file[first] == '[') return bad_file(name, "expected a JSON list of lists of token ids");
  }
  ASSAY_TRY(const std::string text, joined_text(file, name));
  auto ids = tokenizer.encode(text, false);
  if (!ids) return ids.error().with_context(name);
  return draw_pieces(*ids, options);
}

std::uint64_t hash_of(const Sequences& sequences) {
  std::uint64_t hash = fnv1a({});
  for (const auto& sequence : sequences) {
    hash = fnv1a(std::as_bytes(std::span(sequence)), hash);
    const std::int32_t separator = -1;
    hash = fnv1a(std::as_bytes(std::span(&separator, 1)), hash);
  }
  return hash;
}

}  // namespace

std::int64_t CalibrationSet::num_tokens() const {
  std::int64_t tokens = 0;
  for (const auto& sequence : sequences) tokens += static_cast<std::int64_t>(sequence.size());
  return tokens;
}

void append_calibration(CalibrationSet& set, CalibrationSet more) {
  std::move(more.sequences.begin(), more.sequences.end(), std::back_inserter(set.sequences));
  set.hash = hash_of(set.sequences);
}

Result<CalibrationSet> parse_calibration(ByteView file, const std::string& name, const Tokenizer& tokenizer, std::int64_t vocabulary_size,
                                         const CalibrationOptions& options) {
  if (options.samples < 1 || options.sequence_length < 1) {
    return Error{ErrorCode::kInvalidArgument, "calibration needs at least one sample of at least one token"};
  }
  CalibrationSet set;
  ASSAY_TRY(set.sequences, read_sequences(as_text(file), name, tokenizer, vocabulary_size, options));
  if (set.sequences.empty()) return Error{ErrorCode::kInvalidArgument, name + ": holds no tokens to calibrate with"};
  set.hash = hash_of(set.sequences);
  return set;
}

Result<CalibrationSet> read_calibration(const std::filesystem::path& path, const BuiltinCalibration& builtin, const Tokenizer& tokenizer,
                                        std::int64_t vocabulary_size, const CalibrationOptions& options) {
  if (path.empty()) return parse_calibration(as_bytes(builtin.text), builtin.name, tokenizer, vocabulary_size, options);
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  return parse_calibration(file.bytes(), path.string(), tokenizer, vocabulary_size, options);
}

}  // namespace assay
