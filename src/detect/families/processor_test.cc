// Against transformers' image processors, see tests/goldens/detr_processing; made by
// tools/make_detr_processing_goldens.py.
#include "detect/families/processor.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "detect/families/checkpoint_testing.h"
#include "detect/heads/decode.h"
#include "image/preprocess.h"

namespace assay::detect {
namespace {

using Json = nlohmann::json;

std::string processor_json(const std::string& name, const Json& size) {
  Json json{{"size", size}};
  json["image_processor_type"] = name.starts_with("yolos") ? "YolosImageProcessor" : "DetrImageProcessor";
  if (name == "rtdetr") json["do_normalize"] = false;
  return json.dump();
}

template <typename T>
std::vector<T> values(const LoadedTensors& tensors, const std::string& name) {
  const TensorView* view = tensors.file.find(name);
  EXPECT_NE(view, nullptr) << name;
  if (view == nullptr) return {};
  std::vector<T> result(view->bytes.size() / sizeof(T));
  std::memcpy(result.data(), view->bytes.data(), view->bytes.size());
  return result;
}

TEST(ProcessorGolden, GivesPicturesTheSizesOfTransformers) {
  const Json golden_sizes = Json::parse(read_bytes(golden("detr_processing/sizes.json")));
  ASSERT_EQ(golden_sizes["cases"].size(), 48u);
  for (const Json& item : golden_sizes["cases"]) {
    const auto processor = read_processor(processor_json(item["processor"], item["size"]));
    ASSERT_THAT(processor, IsOk());
    EXPECT_EQ(processed_size(*processor, {item["picture"][0], item["picture"][1]}),
              (InputSize{item["tensor"][0], item["tensor"][1]}))
        << item;
  }
}

TEST(ProcessorGolden, MakesTheTensorsOfTransformersWithPillow) {
  const LoadedTensors expected = load(golden("detr_processing/pixel_values.safetensors"));
  Image picture;
  picture.height = 23, picture.width = 37;
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      for (int c = 0; c < 3; ++c)
        picture.rgb.push_back(static_cast<std::uint8_t>((x * 7 + y * 13 + c * 50 + (x * y) % 31) % 256));
    }
  }
  const Json edges = Json::parse(expected.file.metadata.at("size"));
  for (const std::string name : {"detr", "yolos", "rtdetr"}) {
    const Json size = name == "rtdetr" ? Json{{"height", 32}, {"width", 32}} : edges;
    const auto processor = read_processor(processor_json(name, size));
    ASSERT_THAT(processor, IsOk());
    const InputSize target = processed_size(*processor, {picture.height, picture.width});
    InputSpec spec;
    spec.height = target.height, spec.width = target.width;
    spec.resize = processor->resize;
    spec.mean = processor->mean, spec.std = processor->std;
    const auto input = prepare_input(picture, spec, {});
    ASSERT_THAT(input, IsOk());
    const auto exact = values<float>(expected, name + ".pil");
    ASSERT_EQ(input->bytes.size(), exact.size() * sizeof(float)) << name;
    std::vector<float> found(exact.size());
    std::memcpy(found.data(), input->bytes.data(), input->bytes.size());
    // A step of a byte is 4e-3 or more; float32 rounds twice where transformers rescales before it
    // normalizes.
    for (std::size_t i = 0; i < exact.size(); ++i)
      ASSERT_TRUE(std::abs(found[i] - exact[i]) <= 1e-6f)
          << name << " " << i << ": " << found[i] << " for " << exact[i];
  }
}

TEST(ProcessorGolden, ReadsOutputsAsPostProcessObjectDetectionDoes) {
  const LoadedTensors expected = load(golden("detr_processing/detections.safetensors"));
  struct Case {
    const char* name;
    HeadKind head;
    int most;
  };
  for (const Case& one : {Case{"detr", HeadKind::kDetr, 0},
                          {"yolos", HeadKind::kDetr, 0},
                          {"conditional", HeadKind::kRtDetr, 100},
                          {"deformable", HeadKind::kRtDetr, 100},
                          {"rtdetr", HeadKind::kRtDetr, 0}}) {
    const std::string name = one.name;
    const TensorView* logits = expected.file.find(name + ".logits");
    ASSERT_NE(logits, nullptr);
    const std::vector<Output> outputs = {
        {{"logits", {1, 30, logits->shape.back()}}, values<float>(expected, name + ".logits")},
        {{"pred_boxes", {1, 30, 4}}, values<float>(expected, name + ".pred_boxes")}};
    const Placement placement{320.0 / 640, 320.0 / 427, 0, 0, 640, 427};
    for (const char* threshold : {"0.0", "0.8"}) {
      HeadOptions options = evaluation_options(one.head);
      options.score_threshold = std::stof(threshold);
      options.max_detections = one.most;
      auto found = decode_detections(one.head, outputs, 320, 320, placement, options);
      ASSERT_THAT(found, IsOk()) << name;
      const std::string prefix = name + "." + threshold + ".";
      auto scores = values<float>(expected, prefix + "scores");
      const auto labels = values<std::int32_t>(expected, prefix + "labels");
      const auto boxes = values<float>(expected, prefix + "boxes");
      ASSERT_EQ(found->size(), scores.size()) << prefix;
      // DETR's keep the order of the queries there, ours come best first.
      std::vector<std::size_t> order(scores.size());
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
      for (std::size_t i = 0; i < order.size(); ++i) {
        const Detection& box = (*found)[i];
        const std::size_t at = order[i];
        EXPECT_NEAR(box.score, scores[at], 1e-6) << prefix << i;
        EXPECT_EQ(box.class_index, labels[at]) << prefix << i;
        const float corners[] = {box.left, box.top, box.right, box.bottom};
        // A few units in the last place of a coordinate of some hundreds.
        for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(corners[c], boxes[4 * at + c], 2e-4) << prefix << i;
      }
    }
  }
}

TEST(ReadProcessor, NamesTheKeyThatItCannotUse) {
  EXPECT_THAT(read_processor("{"), FailsWith(ErrorCode::kCorrupt, ""));
  EXPECT_THAT(read_processor("{}"), FailsWith(ErrorCode::kCorrupt, "size"));
  EXPECT_THAT(read_processor(R"({"size": {"height": 0, "width": 4}})"),
              FailsWith(ErrorCode::kCorrupt, "size.height"));
  EXPECT_THAT(read_processor(R"({"size": {"longest_edge": 4}})"),
              FailsWith(ErrorCode::kUnsupported, "shortest_edge"));
  EXPECT_THAT(read_processor(R"({"size": {"height": 4, "width": 4}, "resample": 5})"),
              FailsWith(ErrorCode::kUnsupported, "resample"));
  EXPECT_THAT(read_processor(R"({"size": {"height": 4, "width": 4}, "image_std": [1, 0, 1]})"),
              FailsWith(ErrorCode::kCorrupt, "image_std"));
}

}  // namespace
}  // namespace assay::detect
