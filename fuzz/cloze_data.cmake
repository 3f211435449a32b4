assay_fuzz(cloze_data SOURCE fuzz_cloze_data.cc DEPS eval)
