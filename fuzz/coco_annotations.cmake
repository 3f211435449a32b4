assay_fuzz(coco_annotations SOURCE fuzz_coco_annotations.cc DEPS eval)
