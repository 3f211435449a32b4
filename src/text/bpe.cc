#include "text/bpe.h"

#include <algorithm>
#include <bit>

#include "text/unicode.h"

namespace assay::text {
namespace {

std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

std::string byte_token(unsigned byte) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  return std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + '>';
}

}  // namespace

MergeTable::MergeTable(const std::vector<Merge>& merges)
    : slots_(std::bit_ceil(std::max<std::size_t>(merges.size() * 2, 2)), Slot{kFree, {}}) {
  for (const Merge& merge : merges) {
    const std::uint64_t pair = pair_of(merge.left, merge.right);
    slots_[slot_of(pair)] = {pair, {merge.rank, merge.joined}};
  }
}

// The slot that holds `pair`, or the free one where it belongs.
std::size_t MergeTable::slot_of(std::uint64_t pair) const {
  const std::size_t mask = slots_.size() - 1;
  std::uint64_t hash = pair * 0x9E3779B97F4A7C15u;
  std::size_t slot = static_cast<std::size_t>(hash ^ hash >> 32) & mask;
  while (slots_[slot].pair != kFree && slots_[slot].pair != pair) slot = (slot + 1) & mask;
  return slot;
}

const MergeTable::Found* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const Slot& slot = slots_[slot_of(pair_of(left, right))];
  return slot.pair == kFree ? nullptr : &slot.found;
}

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, const BpeOptions& options)
    : vocabulary_(&vocabulary), merges_(merges), options_(options) {
  for (std::size_t code_point = 0; code_point < kDirect; ++code_point) {
    std::string character;
    append_utf8(static_cast<char32_t>(code_point), &character);
    direct_[code_point] = vocabulary.id(character).value_or(-1);
  }
  for (unsigned byte = 0; byte < 256; ++byte)
    byte_tokens_[byte] = vocabulary.id(byte_token(byte)).value_or(-1);
}

std::optional<std::int32_t> Bpe::id_of_character(std::string_view character, char32_t code_point) const {
  if (code_point >= kDirect) return vocabulary_->id(character);
  if (direct_[code_point] < 0) return std::nullopt;
  return direct_[code_point];
}

// One symbol for each character that is a token; for others bytes or unknown tokens. An unknown token waits
// until the next known character, so byte tokens may overtake it: HF does the same.
void Bpe::add_characters(std::string_view piece, Scratch* scratch) const {
  auto& symbols = scratch->symbols;
  symbols.clear();
  bool unknown_waits = false;
  const auto push = [&](std::int32_t id) {
    const auto index = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({id, index - 1, index + 1});
  };
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t begin = at;
    const char32_t code_point = next_code_point(piece, &at);
    const std::string_view character = piece.substr(begin, at - begin);
    if (const auto id = id_of_character(character, code_point)) {
      if (unknown_waits) push(*options_.unk_id);
      unknown_waits = false;
      push(*id);
      continue;
    }
    const auto has_token = [&](char c) { return byte_tokens_[static_cast<unsigned char>(c)] >= 0; };
    if (options_.byte_fallback && std::all_of(character.begin(), character.end(), has_token)) {
      for (const char c : character) push(byte_tokens_[static_cast<unsigned char>(c)]);
    } else if (options_.unk_id.has_value()) {
      if (unknown_waits && !options_.fuse_unk) push(*options_.unk_id);
      unknown_waits = true;
    }
  }
  if (unknown_waits) push(*options_.unk_id);
  if (!symbols.empty()) symbols.back().next = -1;
}

namespace {

// For a heap with the best candidate in front.
bool is_worse(const Bpe::Scratch::Candidate& a, const Bpe::Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

}  // namespace

// Queues the merge of the symbol at `position` with the next one, if there is such a merge.
void Bpe::offer(std::int32_t position, Scratch* scratch) const {
  const auto& symbol = scratch->symbols[static_cast<std::size_t>(position)];
  if (symbol.next < 0) return;
  const auto* merge = merges_.find(symbol.id, scratch->symbols[static_cast<std::size_t>(symbol.next)].id);
  if (merge == nullptr) return;
  scratch->queue.push_back({merge->rank, position, merge->joined});
  std::push_heap(scratch->queue.begin(), scratch->queue.end(), is_worse);
}

void Bpe::join_all(Scratch* scratch) const {
  auto& symbols = scratch->symbols;
  auto& queue = scratch->queue;
  queue.clear();
  for (std::size_t i = 0; i < symbols.size(); ++i) offer(static_cast<std::int32_t>(i), scratch);
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), is_worse);
    const Scratch::Candidate best = queue.back();
    queue.pop_back();
    auto& left = symbols[static_cast<std::size_t>(best.position)];
    if (left.id < 0 || left.next < 0) continue;
    auto& right = symbols[static_cast<std::size_t>(left.next)];
    const auto* merge = merges_.find(left.id, right.id);
    if (merge == nullptr || merge->joined != best.joined)
      continue;  // the pair has changed since it was queued
    left.id = best.joined;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.position;
    if (left.previous >= 0) offer(left.previous, scratch);
    offer(best.position, scratch);
  }
}

void Bpe::encode(std::string_view piece, Scratch* scratch, std::vector<std::int32_t>* ids) const {
  if (options_.ignore_merges) {
    if (const auto id = vocabulary_->id(piece)) {
      ids->push_back(*id);
      return;
    }
  }
  add_characters(piece, scratch);
  join_all(scratch);
  for (const auto& symbol : scratch->symbols) {
    if (symbol.id >= 0) ids->push_back(symbol.id);
  }
}

}  // namespace assay::text
