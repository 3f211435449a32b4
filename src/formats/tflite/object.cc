#include "formats/tflite/object.h"

#include <bit>

#include "base/check.h"

namespace assay::tflite {

Object Object::make(std::string_view table) {
  const TableInfo* type = find_table(table);
  ASSAY_CHECK(type != nullptr);
  return Object(*type);
}

bool Object::declares(std::string_view name) const {
  if (!exists()) return false;
  for (const FieldInfo& info : type_->fields) {
    if (info.name == name) return true;
  }
  return false;
}

std::int64_t Object::integer(std::string_view name) const {
  const std::size_t slot = type_->slot(name);
  const FieldInfo& info = type_->fields[slot];
  const auto* bits = std::get_if<std::uint64_t>(&fields_[slot]);
  if (bits == nullptr) return static_cast<std::int64_t>(info.default_value);
  if (info.scalar != 'i' || info.scalar_bytes == 8) return static_cast<std::int64_t>(*bits);
  const auto unused = static_cast<int>(64 - 8 * info.scalar_bytes);
  return static_cast<std::int64_t>(*bits << unused) >> unused;
}

float Object::real(std::string_view name) const {
  const std::size_t slot = type_->slot(name);
  const auto* bits = std::get_if<std::uint64_t>(&fields_[slot]);
  if (bits == nullptr) return static_cast<float>(type_->fields[slot].default_value);
  return std::bit_cast<float>(static_cast<std::uint32_t>(*bits));
}

std::string Object::string(std::string_view name) const {
  const auto* strings = std::get_if<std::vector<std::string>>(&fields_[type_->slot(name)]);
  return strings == nullptr || strings->empty() ? std::string() : strings->front();
}

Data Object::data(std::string_view name) const {
  const auto* data = std::get_if<Data>(&fields_[type_->slot(name)]);
  return data == nullptr ? Data() : *data;
}

void Object::set_integer(std::string_view name, std::int64_t value) {
  const std::size_t slot = type_->slot(name);
  auto bits = static_cast<std::uint64_t>(value);
  const std::size_t size = type_->fields[slot].scalar_bytes;
  if (size < 8) bits &= (std::uint64_t{1} << (8 * size)) - 1;
  fields_[slot] = bits;
}

void Object::set_real(std::string_view name, float value) {
  fields_[type_->slot(name)] = std::uint64_t{std::bit_cast<std::uint32_t>(value)};
}

void Object::set_string(std::string_view name, std::string value) {
  fields_[type_->slot(name)] = std::vector<std::string>{std::move(value)};
}

void Object::set_data(std::string_view name, Data data) { fields_[type_->slot(name)] = std::move(data); }

void Object::set_tables(std::string_view name, std::vector<Object> tables) {
  fields_[type_->slot(name)] = std::move(tables);
}

std::vector<Object> Object::take_tables(std::string_view name) {
  auto& field = fields_[type_->slot(name)];
  auto* tables = std::get_if<std::vector<Object>>(&field);
  if (tables == nullptr) return {};
  auto taken = std::move(*tables);
  field = {};
  return taken;
}

Data Object::take_data(std::string_view name) {
  Data taken = data(name);
  clear(name);
  return taken;
}

}  // namespace assay::tflite
