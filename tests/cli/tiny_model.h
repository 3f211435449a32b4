// A language model small enough to run in milliseconds: the golden GPT-2 with a vocabulary of single characters.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/testing.h"

namespace assay {

// The golden checkpoint knows 89 tokens: here the characters '!' to 'x', and <|endoftext|>. 37 positions.
inline void make_tiny_model(const std::filesystem::path& folder) {
  std::filesystem::copy(golden("families/gpt2"), folder, std::filesystem::copy_options::recursive);
  nlohmann::json vocabulary;
  for (int id = 0; id < 88; ++id) vocabulary[std::string(1, static_cast<char>('!' + id))] = id;
  vocabulary["<|endoftext|>"] = 88;
  write_bytes(folder / "vocab.json", vocabulary.dump());
  write_bytes(folder / "merges.txt", "#version: 0.2\n");
}

}  // namespace assay
