#include "formats/json/json_fields.h"

#include "support/testing.h"

namespace assay {
namespace {

using nlohmann::json;
using testing::ElementsAre;

TEST(JsonFields, GivesTheFallbackForWhatIsAbsentOrNull) {
  const json object = {{"a", nullptr}};
  JsonFields fields(object);
  EXPECT_EQ(fields.count("a", 7, 10), 7);
  EXPECT_THAT(fields.counts("a", {1, 2}, 10), ElementsAre(1, 2));
  EXPECT_THAT(fields.booleans("b", {true}), ElementsAre(true));
  EXPECT_THAT(fields.status(), IsOk());
}

TEST(JsonFields, ReadsListsOfCountsAndBooleans) {
  const json object = {{"a", {1, 10}}, {"b", {false, true}}, {"c", 10}};
  JsonFields fields(object);
  EXPECT_THAT(fields.counts("a", {}, 10), ElementsAre(1, 10));
  EXPECT_THAT(fields.booleans("b", {}), ElementsAre(false, true));
  EXPECT_EQ(fields.count("c", 1, 10), 10);
  EXPECT_THAT(fields.status(), IsOk());
}

TEST(JsonFields, RefusesCountsOutsideTheirRange) {
  for (const json& bad :
       {json(0), json(-1), json(11), json(18446744073709551615u), json(1.0), json("1"), json(true)}) {
    const json object = {{"a", bad}, {"list", {1, bad}}};
    JsonFields single(object);
    single.count("a", 1, 10);
    EXPECT_THAT(single.status(), FailsWith(ErrorCode::kCorrupt, "a: expected an integer from 1 to 10"))
        << bad;
    JsonFields list(object);
    list.counts("list", {}, 10);
    EXPECT_THAT(list.status(),
                FailsWith(ErrorCode::kCorrupt, "list: expected a list of integers from 1 to 10"))
        << bad;
  }
}

TEST(JsonFields, RefusesListsThatAreEmptyOrNone) {
  const json object = {{"a", json::array()}, {"b", 1}, {"c", {true, 1}}};
  for (const char* key : {"a", "b"}) {
    JsonFields fields(object);
    fields.counts(key, {}, 10);
    EXPECT_THAT(fields.status(), FailsWith(ErrorCode::kCorrupt, std::string(key) + ": expected a list"));
  }
  JsonFields fields(object);
  fields.booleans("c", {});
  EXPECT_THAT(fields.status(), FailsWith(ErrorCode::kCorrupt, "c: expected a list of true and false"));
}

}  // namespace
}  // namespace assay
