#include "formats/tflite/schema.h"

#include <charconv>
#include <cstdlib>
#include <functional>
#include <map>

#include "base/check.h"

namespace assay::tflite {
namespace {

struct Schema {
  std::map<std::string_view, TableInfo, std::less<>> tables;
  std::map<std::string_view, std::map<std::uint64_t, std::string_view>, std::less<>> enums;
};

std::string_view next_word(std::string_view& text) {
  const auto begin = text.find_first_not_of(" \n");
  if (begin == std::string_view::npos) return text = {};
  const auto end = text.find_first_of(" \n", begin);
  const auto word = text.substr(begin, end - begin);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end);
  return word;
}

bool is_scalar(std::string_view type) {
  return type.size() == 2 && std::string_view("iufb").find(type[0]) != std::string_view::npos;
}

// "stride_w:i4", "version:i4=1", "data:[u1]@16", "details:<QuantizationDetails>", "tensors:[Tensor]"
FieldInfo parse_field(std::string_view word) {
  const auto colon = word.find(':');
  FieldInfo field{word.substr(0, colon)};
  std::string_view type = word.substr(colon + 1);
  if (const auto at = type.find('@'); at != std::string_view::npos) {
    field.align = static_cast<std::size_t>(std::atoi(type.data() + at + 1));
    type = type.substr(0, at);
  }
  if (const auto equals = type.find('='); equals != std::string_view::npos) {
    field.default_value = std::atof(std::string(type.substr(equals + 1)).c_str());
    type = type.substr(0, equals);
  }
  const bool vector = type[0] == '[';
  if (vector || type[0] == '<') type = type.substr(1, type.size() - 2);
  if (is_scalar(type)) {
    field.kind = vector ? FieldKind::kScalars : FieldKind::kScalar;
    field.scalar = type[0];
    field.scalar_bytes = static_cast<std::size_t>(type[1] - '0');
    field.align = std::max(field.align, field.scalar_bytes);
  } else if (type == "string") {
    field.kind = vector ? FieldKind::kStrings : FieldKind::kString;
  } else {
    field.kind = vector ? FieldKind::kTables : word.back() == '>' ? FieldKind::kUnion : FieldKind::kTable;
    field.target = type;
  }
  return field;
}

Schema parse_schema() {
  Schema schema;
  TableInfo* table = nullptr;
  std::map<std::uint64_t, std::string_view>* members = nullptr;
  std::string_view text = schema_text();
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    if (word == "table") {
      const auto name = next_word(text);
      table = &schema.tables[name];
      table->name = name;
    } else if (word == "enum") {
      members = &schema.enums[next_word(text)];
    } else if (table != nullptr) {
      table->fields.push_back(parse_field(word));
    } else {
      const auto equals = word.find('=');
      std::uint64_t number = 0;
      std::from_chars(word.data() + equals + 1, word.data() + word.size(), number);
      (*members)[number] = word.substr(0, equals);
    }
  }
  return schema;
}

const Schema& schema() {
  static const Schema parsed = parse_schema();
  return parsed;
}

std::string enum_name(std::string_view name, std::int32_t number, const char* otherwise) {
  const auto& members = schema().enums.find(name)->second;
  const auto found = number < 0 ? members.end() : members.find(static_cast<std::uint64_t>(number));
  return found == members.end() ? otherwise + std::to_string(number) : std::string(found->second);
}

}  // namespace

std::size_t TableInfo::slot(std::string_view field) const {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == field) return i;
  }
  ASSAY_CHECK(!"the schema has a field of this name");
  return 0;
}

const TableInfo* find_table(std::string_view name) {
  const auto found = schema().tables.find(name);
  return found == schema().tables.end() ? nullptr : &found->second;
}

const TableInfo* union_member(std::string_view union_name, std::uint64_t number) {
  const auto& members = schema().enums.find(union_name)->second;
  const auto found = members.find(number);
  return found == members.end() ? nullptr : find_table(found->second);
}

std::uint64_t union_number(std::string_view union_name, const TableInfo& table) {
  for (const auto& [number, name] : schema().enums.find(union_name)->second) {
    if (name == table.name) return number;
  }
  ASSAY_CHECK(!"the table is a member of the union");
  return 0;
}

std::string name_of(Op op) {
  return enum_name("BuiltinOperator", static_cast<std::int32_t>(op), "operator ");
}
std::string name_of(TensorType type) {
  return enum_name("TensorType", static_cast<std::int32_t>(type), "type ");
}

}  // namespace assay::tflite
