// The encoder of RT-DETR and its successors: a transformer on the coarsest features, then convolutions that
// join the levels downwards and upwards again.
// Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", 4.2; transformers,
// RTDetrHybridEncoder and DFineHybridEncoder.
#pragma once
#include <string>
#include <vector>

#include "detect/families/rt_detr_config.h"

namespace assay::detect {

// The parts in which the families differ; `x` [1, height, width, channels], `name` the path of the part.
struct EncoderParts {
  Nonlinearity lateral_activation;  // of the 1x1 convolutions between levels on the way down
  // Two levels side by side in, encoder_channels out.
  Value (*fuse)(Network& net, Value x, const std::string& name, const RtDetr& detr, int blocks);
  // Half the height and width, as many channels.
  Value (*halve)(Network& net, Value x, const std::string& name, const RtDetr& detr);
  int blocks = 3;  // RepVGG blocks in a row within `fuse`
};

// A convolution `name`.conv without bias, padded by half its size, with `name`.norm and an activation.
Value conv_norm(Network& net, Value x, const std::string& name, int channels, int size, int stride,
                const RtDetr& detr, Nonlinearity activation);

// "CSP": RepVGG blocks beside a 1x1 convolution; `inner` channels within, `channels` out.
Value csp_rep(Network& net, Value x, const std::string& name, int inner, int channels, int blocks,
              const RtDetr& detr);

// The features of all levels, finest first, from those of the backbone; `model.encoder_input_proj` and
// `model.encoder`. All have encoder_channels channels.
std::vector<Value> hybrid_encoder(Network& net, const std::vector<Value>& features, const RtDetr& detr,
                                  const EncoderParts& parts);

}  // namespace assay::detect
