#include "flow/sequence_chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Sequences = std::vector<std::vector<std::int32_t>>;

const Sequences kSequences{{1, 2, 3}, {4}, {}, {5, 6}, {7, 8, 9, 10, 11}, {12}};

TEST(SequenceChunks, FillUpToTheLimitInTheOrderGiven) {
  const auto chunks = cut_chunks(kSequences, Reads::kAll, 4);
  ASSERT_EQ(chunks.size(), 4u);
  EXPECT_THAT(chunks[0].tokens, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(chunks[1].tokens, ElementsAre(5, 6));
  EXPECT_THAT(chunks[2].tokens, ElementsAre(7, 8, 9, 10, 11)) << "longer than a chunk, so alone";
  EXPECT_THAT(chunks[3].tokens, ElementsAre(12));
  for (const auto& chunk : chunks) EXPECT_THAT(chunk.targets, IsEmpty());
}

TEST(SequenceChunks, AreTiledByTheirSequences) {
  const auto chunks = cut_chunks(kSequences, Reads::kAll, 6);
  ASSERT_EQ(chunks.size(), 2u);
  ASSERT_EQ(chunks[0].sequences.size(), 3u) << "the empty one is left out";
  EXPECT_EQ(chunks[0].sequences[1].first_row, 3);
  EXPECT_EQ(chunks[0].sequences[1].num_rows, 1);
  EXPECT_EQ(chunks[0].sequences[2].first_row, 4);
  EXPECT_EQ(chunks[0].sequences[2].num_rows, 2);
  EXPECT_EQ(chunks[1].sequences[1].first_row, 5);
}

TEST(SequenceChunks, GiveEveryTokenThatIsReadTheOneAfterIt) {
  const auto chunks = cut_chunks(kSequences, Reads::kPredict, 3);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_THAT(chunks[0].tokens, ElementsAre(1, 2, 5)) << "a sequence of one token has nothing to predict";
  EXPECT_THAT(chunks[0].targets, ElementsAre(2, 3, 6));
  EXPECT_THAT(chunks[1].tokens, ElementsAre(7, 8, 9, 10));
  EXPECT_THAT(chunks[1].targets, ElementsAre(8, 9, 10, 11));
}

TEST(SequenceChunks, OfNothingAreNone) { EXPECT_THAT(cut_chunks({}, Reads::kAll, 4), IsEmpty()); }

}  // namespace
}  // namespace assay
