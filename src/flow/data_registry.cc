#include "flow/data_registry.h"

namespace assay {
namespace {

// images.cocodataset.org itself has no certificate of its own name; this is the same storage by another.
// COCO publishes no hashes: these two are those that many projects which use the archives have noted down.
constexpr RegisteredArchive kArchives[] = {
    {"coco-val2017", "COCO val2017: 5,000 photographs", "each photograph its own, see coco-annotations",
     "https://s3.amazonaws.com/images.cocodataset.org/zips/val2017.zip", 815'585'330,
     "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05", "val2017/", 5000, "coco/val2017"},
    {"coco-annotations", "COCO val2017: boxes and categories", "CC BY 4.0",
     "https://s3.amazonaws.com/images.cocodataset.org/annotations/annotations_trainval2017.zip", 252'907'541,
     "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268", "annotations/instances_val2017.json",
     1, "coco/instances_val2017.json"},
};

// The whole of train2017 has 19 GB; to calibrate, few of its pictures do.
constexpr std::int32_t kTrainPictures[] = {
    790,    30752,  37666,  63217,  69468,  70133,  72258,  84284,  89232,  100667, 107438, 113488, 114174,
    116270, 125870, 129648, 133030, 145311, 157206, 159269, 161846, 163497, 172123, 174375, 177977, 183872,
    194322, 196393, 211325, 211891, 213148, 214704, 215657, 227000, 231460, 232357, 234748, 249346, 252639,
    256353, 281789, 284218, 322517, 330993, 332078, 358083, 370162, 373381, 379349, 408805, 409194, 418049,
    419474, 432430, 463557, 488571, 489520, 493652, 516008, 525891, 535506, 539216, 544238, 551757};

constexpr RegisteredWebPictures kWebPictures[] = {
    {"coco-train64", "64 photographs of COCO train2017, to calibrate with", "each photograph its own",
     "https://s3.amazonaws.com/images.cocodataset.org/train2017", kTrainPictures, 8'997'172, "coco/train64"},
};

constexpr RegisteredHubFile kHubFiles[] = {
    {"lambada", "LAMBADA test set, OpenAI's variant: 5,153 passages", "MIT", "EleutherAI/lambada_openai",
     "data/lambada_test.jsonl", 1'819'752,
     "4aa8d02cd17c719165fc8a7887fddd641f43fcafa4b1c806ca8abc31fabdb226"},
};

}  // namespace

std::span<const RegisteredArchive> registered_archives() { return kArchives; }
std::span<const RegisteredWebPictures> registered_web_pictures() { return kWebPictures; }
std::span<const RegisteredHubFile> registered_hub_files() { return kHubFiles; }

}  // namespace assay
