// Plain dequantization. The order of the float operations is that of ggml's dequantize_row_*, so the values
// are the same bits (products and sums are rounded separately: -ffp-contract=off).
#include <cstring>

#include "kernels/kernel_table.h"
#include "tensor/float16.h"
#include "tensor/ggml_blocks.h"
#include "tensor/group_quant.h"

namespace assay {
namespace {

template <typename Value, typename ToFloat>
void plain(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end, float* out,
           ToFloat to) {
  const std::uint8_t* in = w.data + row * w.row_bytes + begin * static_cast<std::int64_t>(sizeof(Value));
  for (std::int64_t c = begin; c < end; ++c, in += sizeof(Value)) {
    Value value;
    std::memcpy(&value, in, sizeof(value));
    *out++ = to(value);
  }
}

void f32(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end, float* out) {
  plain<float>(w, row, begin, end, out, [](float value) { return value; });
}
void f16(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end, float* out) {
  plain<Float16>(w, row, begin, end, out, [](Float16 value) { return to_float(value); });
}
void bf16(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end, float* out) {
  plain<BFloat16>(w, row, begin, end, out, [](BFloat16 value) { return to_float(value); });
}

void block(const BlockQ4_0& b, float* y) {
  const float d = to_float(b.d);
  for (int i = 0; i < 16; ++i) {
    y[i] = static_cast<float>((b.qs[i] & 15) - 8) * d;
    y[i + 16] = static_cast<float>((b.qs[i] >> 4) - 8) * d;
  }
}

void block(const BlockQ4_1& b, float* y) {
  const float d = to_float(b.d);
  const float m = to_float(b.m);
  for (int i = 0; i < 16; ++i) {
    y[i] = static_cast<float>(b.qs[i] & 15) * d + m;
    y[i + 16] = static_cast<float>(b.qs[i] >> 4) * d + m;
  }
}

int fifth_bit(const std::uint8_t* qh, int i) { return ((qh[i / 8] >> (i % 8)) & 1) << 4; }

void block(const BlockQ5_0& b, float* y) {
  const float d = to_float(b.d);
  for (int i = 0; i < 16; ++i) {
    y[i] = static_cast<float>(((b.qs[i] & 15) | fifth_bit(b.qh, i)) - 16) * d;
    y[i + 16] = static_cast<float>(((b.qs[i] >> 4) | fifth_bit(b.qh, i + 16)) - 16) * d;
  }
}

void block(const BlockQ5_1& b, float* y) {
  const float d = to_float(b.d);
  const float m = to_float(b.m);
  for (int i = 0; i < 16; ++i) {
    y[i] = static_cast<float>((b.qs[i] & 15) | fifth_bit(b.qh, i)) * d + m;
    y[i + 16] = static_cast<float>((b.qs[i] >> 4) | fifth_bit(b.qh, i + 16)) * d + m;
  }
}

void block(const BlockQ8_0& b, float* y) {
  const float d = to_float(b.d);
  for (int i = 0; i < 32; ++i) y[i] = static_cast<float>(b.qs[i]) * d;
}

// The super-blocks below are two halves of 128 values; in a half, sub-block pairs j = 0..3 take 2 bits at
// shift 2 j.
void block(const BlockQ2_K& b, float* y) {
  const float d = to_float(b.d);
  const float min = to_float(b.dmin);
  for (int s = 0; s < 16; ++s) {
    const float dl = d * static_cast<float>(b.scales[s] & 15);
    const float ml = min * static_cast<float>(b.scales[s] >> 4);
    const std::uint8_t* q = b.qs + s / 8 * 32 + s % 2 * 16;
    const int shift = s % 8 / 2 * 2;
    for (int i = 0; i < 16; ++i) *y++ = dl * static_cast<float>((q[i] >> shift) & 3) - ml;
  }
}

// The 6-bit scale s of 16: low 4 bits in the nibbles of the first 8 bytes, high 2 bits in the last 4 bytes.
int scale_q3(const std::uint8_t* scales, int s) {
  const int low = s < 8 ? scales[s] & 15 : scales[s - 8] >> 4;
  const int high = (scales[8 + s % 4] >> (s / 4 * 2)) & 3;
  return low | high << 4;
}

void block(const BlockQ3_K& b, float* y) {
  const float d = to_float(b.d);
  for (int s = 0; s < 16; ++s) {
    const float dl = d * static_cast<float>(scale_q3(b.scales, s) - 32);
    const std::uint8_t* q = b.qs + s / 8 * 32 + s % 2 * 16;
    const std::uint8_t* mask = b.hmask + s % 2 * 16;
    const int shift = s % 8 / 2 * 2;
    const int bit = s / 2;
    for (int i = 0; i < 16; ++i) {
      *y++ = dl * static_cast<float>(((q[i] >> shift) & 3) - (((mask[i] >> bit) & 1) ? 0 : 4));
    }
  }
}

// The 6-bit scale and minimum of sub-block j of 8 in Q4_K and Q5_K.
void scale_min(const std::uint8_t* scales, int j, float& scale, float& min) {
  if (j < 4) {
    scale = static_cast<float>(scales[j] & 63);
    min = static_cast<float>(scales[j + 4] & 63);
  } else {
    scale = static_cast<float>((scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4);
    min = static_cast<float>((scales[j + 4] >> 4) | (scales[j] >> 6) << 4);
  }
}

void block(const BlockQ4_K& b, float* y) {
  for (int j = 0; j < 8; ++j) {
    float scale, min;
    scale_min(b.scales, j, scale, min);
    const float d = to_float(b.d) * scale;
    const float m = to_float(b.dmin) * min;
    const std::uint8_t* q = b.qs + j / 2 * 32;
    for (int i = 0; i < 32; ++i) *y++ = d * static_cast<float>(j % 2 ? q[i] >> 4 : q[i] & 15) - m;
  }
}

void block(const BlockQ5_K& b, float* y) {
  for (int j = 0; j < 8; ++j) {
    float scale, min;
    scale_min(b.scales, j, scale, min);
    const float d = to_float(b.d) * scale;
    const float m = to_float(b.dmin) * min;
    const std::uint8_t* q = b.qs + j / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int low = j % 2 ? q[i] >> 4 : q[i] & 15;
      *y++ = d * static_cast<float>(low + ((b.qh[i] >> j) & 1) * 16) - m;
    }
  }
}

void block(const BlockQ6_K& b, float* y) {
  const float d = to_float(b.d);
  for (int s = 0; s < 16; ++s) {
    const float dl = d * static_cast<float>(b.scales[s]);
    const int quarter = s % 8 / 2;  // of the 128 values of a half
    const std::uint8_t* low = b.ql + s / 8 * 64 + quarter % 2 * 32 + s % 2 * 16;
    const std::uint8_t* high = b.qh + s / 8 * 32 + s % 2 * 16;
    for (int i = 0; i < 16; ++i) {
      const int nibble = quarter < 2 ? low[i] & 15 : low[i] >> 4;
      *y++ = dl * static_cast<float>((nibble | ((high[i] >> (2 * quarter)) & 3) << 4) - 32);
    }
  }
}

template <typename Block, int kValues>
void blocks(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end, float* out) {
  const std::uint8_t* in =
      w.data + row * w.row_bytes + begin / kValues * static_cast<std::int64_t>(sizeof(Block));
  for (std::int64_t c = begin; c < end; c += kValues, in += sizeof(Block), out += kValues) {
    Block b;
    std::memcpy(&b, in, sizeof(b));
    block(b, out);
  }
}

template <int kBits>
void group(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end, float* out) {
  const std::uint8_t* chunk = w.data + row * w.row_bytes + begin / kChunk * chunk_bytes(kBits);
  for (std::int64_t c = begin; c < end; c += kChunk, chunk += chunk_bytes(kBits)) {
    std::uint8_t codes[kChunk];
    unpack_codes(kBits, {chunk, static_cast<std::size_t>(chunk_bytes(kBits))}, codes);
    for (std::int64_t i = 0; i < kChunk && c + i < end; ++i) {
      const std::int64_t g = row * w.num_groups + (c + i) / w.group_size;
      const float scale = to_float(Float16{w.scales[g]});
      *out++ = scale * static_cast<float>(static_cast<int>(codes[i]) - static_cast<int>(w.zeros[g]));
    }
  }
}

}  // namespace

void use_dequantize_reference(KernelTable& table) {
  const auto set = [&](WeightFormat format, DequantizeFn fn) {
    table.dequantize[static_cast<int>(format)] = fn;
  };
  set(WeightFormat::kF32, f32);
  set(WeightFormat::kF16, f16);
  set(WeightFormat::kBF16, bf16);
  set(WeightFormat::kQ4_0, blocks<BlockQ4_0, kSmallBlock>);
  set(WeightFormat::kQ4_1, blocks<BlockQ4_1, kSmallBlock>);
  set(WeightFormat::kQ5_0, blocks<BlockQ5_0, kSmallBlock>);
  set(WeightFormat::kQ5_1, blocks<BlockQ5_1, kSmallBlock>);
  set(WeightFormat::kQ8_0, blocks<BlockQ8_0, kSmallBlock>);
  set(WeightFormat::kQ2_K, blocks<BlockQ2_K, kSuperBlock>);
  set(WeightFormat::kQ3_K, blocks<BlockQ3_K, kSuperBlock>);
  set(WeightFormat::kQ4_K, blocks<BlockQ4_K, kSuperBlock>);
  set(WeightFormat::kQ5_K, blocks<BlockQ5_K, kSuperBlock>);
  set(WeightFormat::kQ6_K, blocks<BlockQ6_K, kSuperBlock>);
  set(WeightFormat::kGroup2, group<2>);
  set(WeightFormat::kGroup3, group<3>);
  set(WeightFormat::kGroup4, group<4>);
  set(WeightFormat::kGroup8, group<8>);
}

}  // namespace assay
