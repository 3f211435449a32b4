assay_fuzz(coco_results SOURCE fuzz_coco_results.cc DEPS eval)
