assay_fuzz(tflite SOURCE fuzz_tflite.cc DEPS formats)
