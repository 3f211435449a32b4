assay_fuzz(image SOURCE fuzz_image.cc DEPS image)
