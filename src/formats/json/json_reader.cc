#include "formats/json/json_reader.h"

#include <string>
#include <utility>
#include <vector>

#include "formats/tensor_view.h"

namespace assay {
namespace {

using nlohmann::json;

// Builds the document, and stops where a plain parse would be too lenient.
class StrictBuilder : public nlohmann::json_sax<json> {
 public:
  explicit StrictBuilder(int max_depth) : max_depth_(static_cast<std::size_t>(max_depth)) {}

  json take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

  bool null() override { return add(nullptr) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return add(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return add(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override { return add(value) != nullptr; }
  bool string(string_t& value) override { return add(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return false; }  // does not occur in text
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    if (open_.back()->contains(value)) {
      problem_ = "key " + quote(value) + " occurs twice in one object";
      return false;
    }
    key_ = std::move(value);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    problem_ = "invalid JSON at byte " + std::to_string(position);
    return false;
  }

 private:
  json* add(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[std::move(key_)] = std::move(value));
  }
  bool open(json container) {
    if (open_.size() >= max_depth_) {
      problem_ = "JSON is nested deeper than " + std::to_string(max_depth_) + " levels";
      return false;
    }
    open_.push_back(add(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::size_t max_depth_;
  json root_;
  std::vector<json*> open_;  // a container is not moved while it is open: its parent gets no element meanwhile
  std::string key_;
  std::string problem_;
};

}  // namespace

Result<json> parse_json(ByteView text, int max_depth) {
  const std::string_view characters = as_text(text);
  // The library takes a NUL byte for the end of its input.
  if (const auto nul = characters.find('\0'); nul != std::string_view::npos) {
    return Error{ErrorCode::kCorrupt, "invalid JSON at byte " + std::to_string(nul) + " (NUL)"};
  }
  StrictBuilder builder(max_depth);
  if (!json::sax_parse(characters.begin(), characters.end(), &builder)) {
    return Error{ErrorCode::kCorrupt, builder.problem()};
  }
  return builder.take();
}

}  // namespace assay
