// bpe.h: the byte-pair model: joins the characters of a piece, best merge first.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/vocabulary.h"

namespace assay::text {

// The pair (left, right) becomes `joined`; the lower rank goes first, among equal ranks the leftmost in the
// text.
struct Merge {
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t joined = 0;
  std::uint32_t rank = 0;
};

struct BpeOptions {
  std::optional<std::int32_t> unk_id;  // for characters that are no token; none: they are dropped
  bool fuse_unk = false;               // neighbouring unknown characters are one unknown token
  bool byte_fallback = false;  // unknown characters become the tokens <0x00> ... <0xFF> of their bytes
  bool ignore_merges = false;  // a piece that is a token is that token, whatever the merges say
};

// Pairs of ids to merges; open addressing, because this is where encoding spends its time.
class MergeTable {
 public:
  struct Found {
    std::uint32_t rank;
    std::int32_t joined;
  };

  explicit MergeTable(const std::vector<Merge>& merges);  // of equal pairs the last one counts, as in HF

  const Found* find(std::int32_t left, std::int32_t right) const;

 private:
  struct Slot {
    std::uint64_t pair;
    Found found;
  };
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  std::size_t slot_of(std::uint64_t pair) const;

  std::vector<Slot> slots_;  // a power of two, at most half full
};

// Immutable and thread safe; refers to a Vocabulary that must outlive it at the same address.
class Bpe {
 public:
  // Buffers of encode(), to be reused from piece to piece by one thread.
  struct Scratch {
    struct Symbol {
      std::int32_t id, previous, next;
    };  // indices; -1: none; id -1: joined into its left neighbour
    struct Candidate {
      std::uint32_t rank;
      std::int32_t position, joined;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> queue;
  };

  Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, const BpeOptions& options);

  // Appends the ids of `piece`. REQUIRES: valid UTF-8, at most 2^31 - 1 characters. O(n log n).
  void encode(std::string_view piece, Scratch* scratch, std::vector<std::int32_t>* ids) const;

 private:
  static constexpr std::size_t kDirect = 512;  // code points with an own entry: ASCII and the byte alphabet

  std::optional<std::int32_t> id_of_character(std::string_view character, char32_t code_point) const;
  void add_characters(std::string_view piece, Scratch* scratch) const;
  void offer(std::int32_t position, Scratch* scratch) const;
  void join_all(Scratch* scratch) const;

  const Vocabulary* vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::array<std::int32_t, kDirect> direct_{};   // id of a character, or -1
  std::array<std::int32_t, 256> byte_tokens_{};  // id of <0xXX>, or -1
};

}  // namespace assay::text
