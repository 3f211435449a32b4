// The array is cut behind commas between what looks like two objects, and each part is parsed by simdjson as
// an array of its own. A cut may be wrong (inside of a string, or of a nested array), but then the part
// before it is no valid array: it starts where an element starts, so it would have to end inside of something
// unclosed. By induction all cuts are right if all parts parse; otherwise the file is parsed again in one
// piece, which also finds the record to name in an error.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>

#include "eval/coco/id_lookup.h"
#include "eval/coco/json_values.h"
#include "eval/coco/readers.h"
#include "eval/coco/warnings.h"

namespace assay::eval::coco {
namespace {

constexpr std::size_t kPartBytes = 1 << 20;
constexpr std::string_view kWhiteSpace = " \t\n\r";

struct Lookups {
  IdLookup images, categories;
};

struct Part {
  std::vector<Detection> boxes;
  std::vector<std::uint8_t> integer_scores;
  std::vector<std::pair<std::uint32_t, __int128>> large_scores;  // index within the part
  Warnings warnings;
  std::int64_t records = 0;  // those left out included
  std::optional<Error> error;
};

// What a thread parses with: reused, so that memory is bounded by threads and not by parts.
struct Scratch {
  ondemand::parser parser;
  std::unique_ptr<char[]> buffer;
  std::size_t capacity = 0;
};

Error corrupt(const std::string& message) { return {ErrorCode::kCorrupt, message}; }

__int128 saturated_integer(std::string_view digits) {
  const bool negative = !digits.empty() && digits.front() == '-';
  if (negative) digits.remove_prefix(1);
  constexpr __int128 kLargest = static_cast<__int128>(~static_cast<unsigned __int128>(0) >> 1);
  __int128 value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') break;
    if (value > (kLargest - 9) / 10) {
      value = kLargest;
      break;
    }
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

class PartParser {
 public:
  PartParser(const Lookups& lookups, Part& out) : lookups_(lookups), out_(out) {}

  // `text`: one JSON array with simdjson's padding behind it.
  Status parse(ondemand::parser& parser, const char* text, std::size_t size, std::size_t capacity) {
    ondemand::document document;
    if (const auto code = parser.iterate(text, size, capacity).get(document); code != simdjson::SUCCESS)
      return not_json(code);
    ondemand::array array;
    if (document.get_array().get(array) != simdjson::SUCCESS)
      return corrupt("holds no JSON array of results");
    for (auto element : array) {
      ++out_.records;
      if (element.error() != simdjson::SUCCESS) return not_json(element.error());
      ondemand::object object;
      if (element.get_object().get(object) != simdjson::SUCCESS)
        return corrupt(record() + " is not an object");
      ASSAY_RETURN_IF_ERROR(parse_record(object));
    }
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
      return corrupt("goes on behind the JSON array");
    return {};
  }

 private:
  std::string record() const { return "detection " + std::to_string(out_.records); }

  Error not_json(simdjson::error_code code) const {
    const std::string where = out_.records > 0 ? " (near " + record() + ")" : "";
    return corrupt(std::string("is not valid JSON: ") + simdjson::error_message(code) + where);
  }

  Error wrong_field(const char* field, ondemand::value& value, const char* expected) const {
    return corrupt(record() + ": '" + field + "' is " + shown(value.raw_json_token()) + "; expected " +
                   expected);
  }

  Status parse_record(ondemand::object& object) {
    has_image_ = has_category_ = has_box_ = has_score_ = false;
    for (auto entry : object) {
      ondemand::field field;
      if (const auto code = std::move(entry).get(field); code != simdjson::SUCCESS) return not_json(code);
      ASSAY_RETURN_IF_ERROR(parse_field(field.key().raw(), field.value()));
    }
    if (!has_image_) return corrupt(record() + ": 'image_id' is missing");
    if (!has_category_) return corrupt(record() + ": 'category_id' is missing");
    if (!has_box_) return corrupt(record() + ": 'bbox' is missing; expected [x, y, width, height]");
    if (!has_score_) return corrupt(record() + ": 'score' is missing");
    append();
    return {};
  }

  Status parse_field(const char* key, ondemand::value& value) {
    if (is_key(key, "image_id")) {
      has_image_ = true;
      return parse_image(value);
    }
    if (is_key(key, "category_id")) {
      has_category_ = find(value, lookups_.categories, &detection_.category);
      if (!has_category_) return wrong_field("category_id", value, "an integer or a string");
    } else if (is_key(key, "bbox")) {
      has_box_ = read_box(value, false, box_);
      if (!has_box_) return corrupt(record() + ": 'bbox' is not an array of four numbers");
    } else if (is_key(key, "score")) {
      const std::string_view token = value.raw_json_token();
      has_score_ = read_number(value, &detection_.score);
      if (!has_score_) return wrong_field("score", value, "a number");
      score_token_ = token;
    }
    return {};
  }

  Status parse_image(ondemand::value& value) {
    const std::string_view token = value.raw_json_token();
    if (!find(value, lookups_.images, &detection_.image))
      return wrong_field("image_id", value, "an integer or a string");
    if (detection_.image != IdLookup::kUnknown) return {};
    return Error{ErrorCode::kInvalidArgument,
                 record() + ": 'image_id' " + shown(token) + " is not among the images of the annotations"};
  }

  static bool find(ondemand::value& value, const IdLookup& lookup, std::int32_t* index) {
    std::int64_t integer = 0;
    if (value.get_int64().get(integer) == simdjson::SUCCESS) {
      *index = lookup.find(integer);
      return true;
    }
    ObjectId id;
    if (!read_id(value, &id, nullptr)) return false;
    *index = lookup.find(id);
    return true;
  }

  void append() {
    detection_.x = box_[0];
    detection_.y = box_[1];
    detection_.width = box_[2];
    detection_.height = box_[3];
    // Any NaN or infinity makes the sum one of them.
    if (!std::isfinite(box_[0] + box_[1] + box_[2] + box_[3] + detection_.score)) {
      if (std::isnan(detection_.score))
        out_.warnings.add("with a score that is NaN, which ranks last", out_.records);
      if (std::isinf(detection_.score)) out_.warnings.add("with an infinite score", out_.records);
      if (!std::isfinite(box_[0] + box_[1] + box_[2] + box_[3]))
        out_.warnings.add("with a box that is not finite", out_.records);
    }
    if (box_[2] < 0 || box_[3] < 0) out_.warnings.add("with a negative width or height", out_.records);
    if (detection_.category == IdLookup::kUnknown)
      out_.warnings.add("in a category that the annotations do not list; left out", out_.records);
    if (detection_.category < 0 || detection_.image < 0) return;
    const bool is_integer = is_integer_token(score_token_);
    constexpr double kExactUpTo = 9007199254740992.0;
    if (is_integer && std::abs(detection_.score) >= kExactUpTo) {
      out_.large_scores.emplace_back(static_cast<std::uint32_t>(out_.boxes.size()),
                                     saturated_integer(score_token_));
    }
    out_.integer_scores.push_back(is_integer);
    out_.boxes.push_back(detection_);
  }

  const Lookups& lookups_;
  Part& out_;
  Detection detection_;
  double box_[4] = {};
  std::string_view score_token_;
  bool has_image_ = false, has_category_ = false, has_box_ = false, has_score_ = false;
};

void parse_part(std::string_view elements, const Lookups& lookups, Scratch& scratch, Part& part) {
  const std::size_t needed = elements.size() + 2 + simdjson::SIMDJSON_PADDING;
  if (scratch.capacity < needed) {
    scratch.capacity = std::max(needed, std::min(2 * needed, 2 * kPartBytes));
    scratch.buffer = std::make_unique<char[]>(scratch.capacity);
  }
  char* text = scratch.buffer.get();
  text[0] = '[';
  std::memcpy(text + 1, elements.data(), elements.size());
  text[elements.size() + 1] = ']';
  std::memset(text + elements.size() + 2, ' ', simdjson::SIMDJSON_PADDING);
  // COCO's own results take 90 to 160 bytes each; more than fits is only address space.
  constexpr std::size_t kUsualRecordBytes = 100;
  part.boxes.reserve(std::min(elements.size(), 2 * kPartBytes) / kUsualRecordBytes);
  part.integer_scores.reserve(part.boxes.capacity());
  const Status status =
      PartParser(lookups, part).parse(scratch.parser, text, elements.size() + 2, scratch.capacity);
  if (!status) part.error = status.error();
}

// The first comma at or behind `from` that stands between '}' and '{', or npos.
std::size_t find_cut(std::string_view elements, std::size_t from) {
  for (std::size_t at = elements.find('}', from); at != std::string_view::npos;
       at = elements.find('}', at + 1)) {
    const std::size_t comma = elements.find_first_not_of(kWhiteSpace, at + 1);
    if (comma == std::string_view::npos || elements[comma] != ',') continue;
    const std::size_t next = elements.find_first_not_of(kWhiteSpace, comma + 1);
    if (next != std::string_view::npos && elements[next] == '{') return comma;
  }
  return std::string_view::npos;
}

std::vector<std::string_view> cut_into_parts(std::string_view elements) {
  std::vector<std::string_view> parts;
  while (elements.size() > kPartBytes) {
    const std::size_t comma = find_cut(elements, kPartBytes);
    if (comma == std::string_view::npos) break;
    parts.push_back(elements.substr(0, comma));
    elements.remove_prefix(comma + 1);
  }
  parts.push_back(elements);
  return parts;
}

void append(Part&& part, Detections& all, std::vector<std::uint8_t>& integer_scores) {
  const auto offset = static_cast<std::uint32_t>(all.boxes.size());
  all.boxes.insert(all.boxes.end(), part.boxes.begin(), part.boxes.end());
  integer_scores.insert(integer_scores.end(), part.integer_scores.begin(), part.integer_scores.end());
  for (const auto& [index, score] : part.large_scores)
    all.exact_scores.integers.emplace(offset + index, score);
  part = Part{};
}

Result<DetectionFile> join(std::vector<Part> parts) {
  DetectionFile result;
  Detections& all = result.detections;
  std::size_t total = 0;
  for (const Part& part : parts) total += part.boxes.size();
  if (total > std::numeric_limits<std::int32_t>::max())
    return Error{ErrorCode::kResourceLimit, "has more than 2^31 detections"};
  all.boxes.reserve(total);
  std::vector<std::uint8_t> integer_scores;
  integer_scores.reserve(total);
  Warnings warnings;
  std::int64_t records = 0;
  for (Part& part : parts) {
    warnings.merge(part.warnings, records);
    records += part.records;
    append(std::move(part), all, integer_scores);
  }
  if (!all.exact_scores.integers.empty()) all.exact_scores.is_integer = std::move(integer_scores);
  result.warnings = warnings.lines("detection");
  if (records == 0)
    result.warnings.push_back("there are no detections, on which pycocotools fails; nothing is found");
  return result;
}

std::vector<Part> parse_parts(const std::vector<std::string_view>& texts, const Lookups& lookups,
                              ThreadPool& pool, const ReleaseBytes& release) {
  std::vector<Part> parts(texts.size());
  std::vector<Scratch> scratch(static_cast<std::size_t>(pool.num_threads()));
  pool.parallel_for(static_cast<std::int64_t>(texts.size()), 1, [&](WorkRange range) {
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const auto index = static_cast<std::size_t>(i);
      parse_part(texts[index], lookups, scratch[static_cast<std::size_t>(range.thread)], parts[index]);
      if (release) release(as_bytes(texts[index]));
    }
  });
  return parts;
}

Lookups make_lookups(const Annotations& annotations) {
  Lookups lookups;
  for (std::size_t i = 0; i < annotations.images.size(); ++i)
    lookups.images.add(annotations.images[i], static_cast<std::int32_t>(i));
  for (const ObjectId& id : annotations.unevaluated_images) lookups.images.add(id, IdLookup::kUnevaluated);
  for (std::size_t i = 0; i < annotations.categories.size(); ++i)
    lookups.categories.add(annotations.categories[i].id, static_cast<std::int32_t>(i));
  lookups.images.finish();
  lookups.categories.finish();
  return lookups;
}

}  // namespace

Result<DetectionFile> read_detections(ByteView file, const Annotations& annotations, ThreadPool& pool,
                                      const ReleaseBytes& release) {
  const std::string_view text = as_text(file);
  const std::size_t begin = text.find_first_not_of(kWhiteSpace);
  const std::size_t last = text.find_last_not_of(kWhiteSpace);
  if (begin == std::string_view::npos) return corrupt("is empty; expected a JSON array of results");
  if (text[begin] != '[')
    return corrupt("starts with " + shown(text.substr(begin, 1)) + "; expected '[', an array of results");
  if (last == begin || text[last] != ']') return corrupt("does not end with ']' (file truncated?)");
  const std::string_view elements = text.substr(begin + 1, last - begin - 1);
  const Lookups lookups = make_lookups(annotations);
  std::vector<Part> parts = parse_parts(cut_into_parts(elements), lookups, pool, release);
  const auto has_failed = [](const Part& part) { return part.error.has_value(); };
  if (parts.size() > 1 && std::any_of(parts.begin(), parts.end(), has_failed)) {
    parts = parse_parts({elements}, lookups, pool, release);
  }
  if (parts.front().error) return *parts.front().error;
  return join(std::move(parts));
}

}  // namespace assay::eval::coco
