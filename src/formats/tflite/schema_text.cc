// Written by tools/make_tflite_schema.py from ai-edge-litert's schema_py_generated.py; not edited by hand.
#include "formats/tflite/schema.h"

namespace assay::tflite {

std::string_view schema_text() {
  return R"(enum BuiltinOptions
 NONE=0 Conv2DOptions=1 DepthwiseConv2DOptions=2 ConcatEmbeddingsOptions=3 LSHProjectionOptions=4
 Pool2DOptions=5 SVDFOptions=6 RNNOptions=7 FullyConnectedOptions=8 SoftmaxOptions=9
 ConcatenationOptions=10 AddOptions=11 L2NormOptions=12 LocalResponseNormalizationOptions=13 LSTMOptions=14
 ResizeBilinearOptions=15 CallOptions=16 ReshapeOptions=17 SkipGramOptions=18 SpaceToDepthOptions=19
 EmbeddingLookupSparseOptions=20 MulOptions=21 PadOptions=22 GatherOptions=23 BatchToSpaceNDOptions=24
 SpaceToBatchNDOptions=25 TransposeOptions=26 ReducerOptions=27 SubOptions=28 DivOptions=29
 SqueezeOptions=30 SequenceRNNOptions=31 StridedSliceOptions=32 ExpOptions=33 TopKV2Options=34
 SplitOptions=35 LogSoftmaxOptions=36 CastOptions=37 DequantizeOptions=38 MaximumMinimumOptions=39
 ArgMaxOptions=40 LessOptions=41 NegOptions=42 PadV2Options=43 GreaterOptions=44 GreaterEqualOptions=45
 LessEqualOptions=46 SelectOptions=47 SliceOptions=48 TransposeConvOptions=49 SparseToDenseOptions=50
 TileOptions=51 ExpandDimsOptions=52 EqualOptions=53 NotEqualOptions=54 ShapeOptions=55 PowOptions=56
 ArgMinOptions=57 FakeQuantOptions=58 PackOptions=59 LogicalOrOptions=60 OneHotOptions=61
 LogicalAndOptions=62 LogicalNotOptions=63 UnpackOptions=64 FloorDivOptions=65 SquareOptions=66
 ZerosLikeOptions=67 FillOptions=68 BidirectionalSequenceLSTMOptions=69 BidirectionalSequenceRNNOptions=70
 UnidirectionalSequenceLSTMOptions=71 FloorModOptions=72 RangeOptions=73 ResizeNearestNeighborOptions=74
 LeakyReluOptions=75 SquaredDifferenceOptions=76 MirrorPadOptions=77 AbsOptions=78 SplitVOptions=79
 UniqueOptions=80 ReverseV2Options=81 AddNOptions=82 GatherNdOptions=83 CosOptions=84 WhereOptions=85
 RankOptions=86 ReverseSequenceOptions=87 MatrixDiagOptions=88 QuantizeOptions=89 MatrixSetDiagOptions=90
 HardSwishOptions=91 IfOptions=92 WhileOptions=93 DepthToSpaceOptions=94 NonMaxSuppressionV4Options=95
 NonMaxSuppressionV5Options=96 ScatterNdOptions=97 SelectV2Options=98 DensifyOptions=99
 SegmentSumOptions=100 BatchMatMulOptions=101 CumsumOptions=102 CallOnceOptions=103 BroadcastToOptions=104
 Rfft2dOptions=105 Conv3DOptions=106 HashtableOptions=107 HashtableFindOptions=108
 HashtableImportOptions=109 HashtableSizeOptions=110 VarHandleOptions=111 ReadVariableOptions=112
 AssignVariableOptions=113 RandomOptions=114 BucketizeOptions=115 GeluOptions=116
 DynamicUpdateSliceOptions=117 UnsortedSegmentProdOptions=118 UnsortedSegmentMaxOptions=119
 UnsortedSegmentMinOptions=120 UnsortedSegmentSumOptions=121 ATan2Options=122 SignOptions=123
 BitcastOptions=124 BitwiseXorOptions=125 RightShiftOptions=126
enum BuiltinOptions2
 NONE=0 StablehloConcatenateOptions=1 StablehloBroadcastInDimOptions=2 StablehloSliceOptions=3
 StablehloConvolutionOptions=4 StablehloCustomCallOptions=5 StablehloReduceOptions=6
 StablehloScatterOptions=7 StablehloCompareOptions=8 StablehloDynamicSliceOptions=9 StablehloPadOptions=10
 StablehloIotaOptions=11 StablehloDotGeneralOptions=12 StablehloReduceWindowOptions=13
 StablehloSortOptions=14 StablehloWhileOptions=15 StablehloGatherOptions=16 StablehloTransposeOptions=17
 DilateOptions=18 StablehloRngBitGeneratorOptions=19 ReduceWindowOptions=20 StableHLOCompositeOptions=21
 StablehloShiftLeftOptions=22 StablehloCaseOptions=23
enum QuantizationDetails
 NONE=0 CustomQuantization=1 BlockwiseQuantization=2 MultiAxisQuantization=3
enum SparseIndexVector
 NONE=0 Int32Vector=1 Uint16Vector=2 Uint8Vector=3
enum BuiltinOperator
 ADD=0 AVERAGE_POOL_2D=1 CONCATENATION=2 CONV_2D=3 DEPTHWISE_CONV_2D=4 DEPTH_TO_SPACE=5 DEQUANTIZE=6
 EMBEDDING_LOOKUP=7 FLOOR=8 FULLY_CONNECTED=9 HASHTABLE_LOOKUP=10 L2_NORMALIZATION=11 L2_POOL_2D=12
 LOCAL_RESPONSE_NORMALIZATION=13 LOGISTIC=14 LSH_PROJECTION=15 LSTM=16 MAX_POOL_2D=17 MUL=18 RELU=19
 RELU_N1_TO_1=20 RELU6=21 RESHAPE=22 RESIZE_BILINEAR=23 RNN=24 SOFTMAX=25 SPACE_TO_DEPTH=26 SVDF=27 TANH=28
 CONCAT_EMBEDDINGS=29 SKIP_GRAM=30 CALL=31 CUSTOM=32 EMBEDDING_LOOKUP_SPARSE=33 PAD=34
 UNIDIRECTIONAL_SEQUENCE_RNN=35 GATHER=36 BATCH_TO_SPACE_ND=37 SPACE_TO_BATCH_ND=38 TRANSPOSE=39 MEAN=40
 SUB=41 DIV=42 SQUEEZE=43 UNIDIRECTIONAL_SEQUENCE_LSTM=44 STRIDED_SLICE=45 BIDIRECTIONAL_SEQUENCE_RNN=46
 EXP=47 TOPK_V2=48 SPLIT=49 LOG_SOFTMAX=50 DELEGATE=51 BIDIRECTIONAL_SEQUENCE_LSTM=52 CAST=53 PRELU=54
 MAXIMUM=55 ARG_MAX=56 MINIMUM=57 LESS=58 NEG=59 PADV2=60 GREATER=61 GREATER_EQUAL=62 LESS_EQUAL=63
 SELECT=64 SLICE=65 SIN=66 TRANSPOSE_CONV=67 SPARSE_TO_DENSE=68 TILE=69 EXPAND_DIMS=70 EQUAL=71
 NOT_EQUAL=72 LOG=73 SUM=74 SQRT=75 RSQRT=76 SHAPE=77 POW=78 ARG_MIN=79 FAKE_QUANT=80 REDUCE_PROD=81
 REDUCE_MAX=82 PACK=83 LOGICAL_OR=84 ONE_HOT=85 LOGICAL_AND=86 LOGICAL_NOT=87 UNPACK=88 REDUCE_MIN=89
 FLOOR_DIV=90 REDUCE_ANY=91 SQUARE=92 ZEROS_LIKE=93 FILL=94 FLOOR_MOD=95 RANGE=96
 RESIZE_NEAREST_NEIGHBOR=97 LEAKY_RELU=98 SQUARED_DIFFERENCE=99 MIRROR_PAD=100 ABS=101 SPLIT_V=102
 UNIQUE=103 CEIL=104 REVERSE_V2=105 ADD_N=106 GATHER_ND=107 COS=108 WHERE=109 RANK=110 ELU=111
 REVERSE_SEQUENCE=112 MATRIX_DIAG=113 QUANTIZE=114 MATRIX_SET_DIAG=115 ROUND=116 HARD_SWISH=117 IF=118
 WHILE=119 NON_MAX_SUPPRESSION_V4=120 NON_MAX_SUPPRESSION_V5=121 SCATTER_ND=122 SELECT_V2=123 DENSIFY=124
 SEGMENT_SUM=125 BATCH_MATMUL=126 PLACEHOLDER_FOR_GREATER_OP_CODES=127 CUMSUM=128 CALL_ONCE=129
 BROADCAST_TO=130 RFFT2D=131 CONV_3D=132 IMAG=133 REAL=134 COMPLEX_ABS=135 HASHTABLE=136 HASHTABLE_FIND=137
 HASHTABLE_IMPORT=138 HASHTABLE_SIZE=139 REDUCE_ALL=140 CONV_3D_TRANSPOSE=141 VAR_HANDLE=142
 READ_VARIABLE=143 ASSIGN_VARIABLE=144 BROADCAST_ARGS=145 RANDOM_STANDARD_NORMAL=146 BUCKETIZE=147
 RANDOM_UNIFORM=148 MULTINOMIAL=149 GELU=150 DYNAMIC_UPDATE_SLICE=151 RELU_0_TO_1=152
 UNSORTED_SEGMENT_PROD=153 UNSORTED_SEGMENT_MAX=154 UNSORTED_SEGMENT_SUM=155 ATAN2=156
 UNSORTED_SEGMENT_MIN=157 SIGN=158 BITCAST=159 BITWISE_XOR=160 RIGHT_SHIFT=161 STABLEHLO_LOGISTIC=162
 STABLEHLO_ADD=163 STABLEHLO_DIVIDE=164 STABLEHLO_MULTIPLY=165 STABLEHLO_MAXIMUM=166 STABLEHLO_RESHAPE=167
 STABLEHLO_CLAMP=168 STABLEHLO_CONCATENATE=169 STABLEHLO_BROADCAST_IN_DIM=170 STABLEHLO_CONVOLUTION=171
 STABLEHLO_SLICE=172 STABLEHLO_CUSTOM_CALL=173 STABLEHLO_REDUCE=174 STABLEHLO_ABS=175 STABLEHLO_AND=176
 STABLEHLO_COSINE=177 STABLEHLO_EXPONENTIAL=178 STABLEHLO_FLOOR=179 STABLEHLO_LOG=180 STABLEHLO_MINIMUM=181
 STABLEHLO_NEGATE=182 STABLEHLO_OR=183 STABLEHLO_POWER=184 STABLEHLO_REMAINDER=185 STABLEHLO_RSQRT=186
 STABLEHLO_SELECT=187 STABLEHLO_SUBTRACT=188 STABLEHLO_TANH=189 STABLEHLO_SCATTER=190 STABLEHLO_COMPARE=191
 STABLEHLO_CONVERT=192 STABLEHLO_DYNAMIC_SLICE=193 STABLEHLO_DYNAMIC_UPDATE_SLICE=194 STABLEHLO_PAD=195
 STABLEHLO_IOTA=196 STABLEHLO_DOT_GENERAL=197 STABLEHLO_REDUCE_WINDOW=198 STABLEHLO_SORT=199
 STABLEHLO_WHILE=200 STABLEHLO_GATHER=201 STABLEHLO_TRANSPOSE=202 DILATE=203
 STABLEHLO_RNG_BIT_GENERATOR=204 REDUCE_WINDOW=205 STABLEHLO_COMPOSITE=206 STABLEHLO_SHIFT_LEFT=207
 STABLEHLO_CBRT=208 STABLEHLO_CASE=209
enum TensorType
 FLOAT32=0 FLOAT16=1 INT32=2 UINT8=3 INT64=4 STRING=5 BOOL=6 INT16=7 COMPLEX64=8 INT8=9 FLOAT64=10
 COMPLEX128=11 UINT64=12 RESOURCE=13 VARIANT=14 UINT32=15 UINT16=16 INT4=17 BFLOAT16=18 INT2=19 UINT4=20
 FLOAT8_E4M3FN=21 FLOAT8_E5M2=22
table ATan2Options
table AbsOptions
table AddNOptions
table AddOptions
 fused_activation_function:i1 pot_scale_int16:b1=1
table ArgMaxOptions
 output_type:i1
table ArgMinOptions
 output_type:i1
table AssignVariableOptions
table BatchMatMulOptions
 adj_x:b1 adj_y:b1 asymmetric_quantize_inputs:b1
table BatchToSpaceNDOptions
table BidirectionalSequenceLSTMOptions
 fused_activation_function:i1 cell_clip:f4 proj_clip:f4 merge_outputs:b1 time_major:b1=1
 asymmetric_quantize_inputs:b1
table BidirectionalSequenceRNNOptions
 time_major:b1 fused_activation_function:i1 merge_outputs:b1 asymmetric_quantize_inputs:b1
table BitcastOptions
table BitwiseXorOptions
table BlockwiseQuantization
 scales:i4 zero_points:i4 block_size:i4 block_shape:[i4]
table BroadcastToOptions
table BucketizeOptions
 boundaries:[f4]
table Buffer
 data:[u1]@16 offset:u8 size:u8
table CallOnceOptions
 init_subgraph_index:i4
table CallOptions
 subgraph:u4
table CastOptions
 in_data_type:i1 out_data_type:i1
table ConcatEmbeddingsOptions
 num_channels:i4 num_columns_per_channel:[i4] embedding_dim_per_channel:[i4]
table ConcatenationOptions
 axis:i4 fused_activation_function:i1
table Conv2DOptions
 padding:i1 stride_w:i4 stride_h:i4 fused_activation_function:i1 dilation_w_factor:i4=1
 dilation_h_factor:i4=1 quantized_bias_type:i1
table Conv3DOptions
 padding:i1 stride_d:i4 stride_w:i4 stride_h:i4 fused_activation_function:i1 dilation_d_factor:i4=1
 dilation_w_factor:i4=1 dilation_h_factor:i4=1
table CosOptions
table CumsumOptions
 exclusive:b1 reverse:b1
table CustomQuantization
 custom:[u1]
table DensifyOptions
table DepthToSpaceOptions
 block_size:i4
table DepthwiseConv2DOptions
 padding:i1 stride_w:i4 stride_h:i4 depth_multiplier:i4 fused_activation_function:i1 dilation_w_factor:i4=1
 dilation_h_factor:i4=1
table DequantizeOptions
table DilateOptions
table DimensionMetadata
 format:i1 dense_size:i4 array_segments_type:u1 array_segments:<SparseIndexVector> array_indices_type:u1
 array_indices:<SparseIndexVector>
table DivOptions
 fused_activation_function:i1
table DynamicUpdateSliceOptions
table EmbeddingLookupSparseOptions
 combiner:i1
table EqualOptions
table ExpOptions
table ExpandDimsOptions
table ExternalBuffer
 id:u4 group:u4 offset:u8 length:u8 packing:string
table ExternalBufferGroup
 name:string
table FakeQuantOptions
 min:f4 max:f4 num_bits:i4 narrow_range:b1
table FillOptions
table FloorDivOptions
table FloorModOptions
table FullyConnectedOptions
 fused_activation_function:i1 weights_format:i1 keep_num_dims:b1 asymmetric_quantize_inputs:b1
 quantized_bias_type:i1 quant_spec:[u1]
table GatherNdOptions
table GatherOptions
 axis:i4 batch_dims:i4
table GeluOptions
 approximate:b1
table GreaterEqualOptions
table GreaterOptions
table HardSwishOptions
table HashtableFindOptions
table HashtableImportOptions
table HashtableOptions
 table_id:i4 key_dtype:i1 value_dtype:i1
table HashtableSizeOptions
table IfOptions
 then_subgraph_index:i4 else_subgraph_index:i4
table Int32Vector
 values:[i4]
table L2NormOptions
 fused_activation_function:i1
table LSHProjectionOptions
 type:i1
table LSTMOptions
 fused_activation_function:i1 cell_clip:f4 proj_clip:f4 kernel_type:i1 asymmetric_quantize_inputs:b1
table LeakyReluOptions
 alpha:f4
table LessEqualOptions
table LessOptions
table LocalResponseNormalizationOptions
 radius:i4 bias:f4 alpha:f4 beta:f4
table LogSoftmaxOptions
table LogicalAndOptions
table LogicalNotOptions
table LogicalOrOptions
table MatrixDiagOptions
table MatrixSetDiagOptions
table MaximumMinimumOptions
table Metadata
 name:string buffer:u4
table MirrorPadOptions
 mode:i1
table Model
 version:u4 operator_codes:[OperatorCode] subgraphs:[SubGraph] description:string buffers:[Buffer]
 metadata_buffer:[i4] metadata:[Metadata] signature_defs:[SignatureDef]
 external_buffer_groups:[ExternalBufferGroup] external_buffers:[ExternalBuffer]
table MulOptions
 fused_activation_function:i1
table MultiAxisQuantization
 scales:i4 zero_points:i4 block_size:i4 quantized_dimensions:[i4]
table NegOptions
table NonMaxSuppressionV4Options
table NonMaxSuppressionV5Options
table NotEqualOptions
table OneHotOptions
 axis:i4
table Operator
 opcode_index:u4 inputs:[i4] outputs:[i4] builtin_options_type:u1 builtin_options:<BuiltinOptions>
 custom_options:[u1] custom_options_format:i1 mutating_variable_inputs:[b1] intermediates:[i4]
 large_custom_options_offset:u8 large_custom_options_size:u8 builtin_options2_type:u1
 builtin_options2:<BuiltinOptions2> debug_metadata_index:i4=-1
table OperatorCode
 deprecated_builtin_code:i1 custom_code:string version:i4=1 builtin_code:i4
table PackOptions
 values_count:i4 axis:i4
table PadOptions
table PadV2Options
table Pool2DOptions
 padding:i1 stride_w:i4 stride_h:i4 filter_width:i4 filter_height:i4 fused_activation_function:i1
table PowOptions
table QuantizationParameters
 min:[f4] max:[f4] scale:[f4] zero_point:[i8] details_type:u1 details:<QuantizationDetails>
 quantized_dimension:i4
table QuantizeOptions
table RNNOptions
 fused_activation_function:i1 asymmetric_quantize_inputs:b1
table RandomOptions
 seed:i8 seed2:i8
table RangeOptions
table RankOptions
table ReadVariableOptions
table ReduceWindowOptions
 reduce_function:i4
table ReducerOptions
 keep_dims:b1
table ReshapeOptions
 new_shape:[i4]
table ResizeBilinearOptions
 new_height:i4 new_width:i4 align_corners:b1 half_pixel_centers:b1
table ResizeNearestNeighborOptions
 align_corners:b1 half_pixel_centers:b1
table ReverseSequenceOptions
 seq_dim:i4 batch_dim:i4
table ReverseV2Options
table Rfft2dOptions
table RightShiftOptions
table SVDFOptions
 rank:i4 fused_activation_function:i1 asymmetric_quantize_inputs:b1
table ScatterNdOptions
table SegmentSumOptions
table SelectOptions
table SelectV2Options
table SequenceRNNOptions
 time_major:b1 fused_activation_function:i1 asymmetric_quantize_inputs:b1
table ShapeOptions
 out_type:i1
table SignOptions
table SignatureDef
 inputs:[TensorMap] outputs:[TensorMap] signature_key:string deprecated_tag:string subgraph_index:u4
table SkipGramOptions
 ngram_size:i4 max_skip_size:i4 include_all_ngrams:b1
table SliceOptions
table SoftmaxOptions
 beta:f4
table SpaceToBatchNDOptions
table SpaceToDepthOptions
 block_size:i4
table SparseToDenseOptions
 validate_indices:b1
table SparsityParameters
 traversal_order:[i4] block_map:[i4] dim_metadata:[DimensionMetadata]
table SplitOptions
 num_splits:i4
table SplitVOptions
 num_splits:i4
table SquareOptions
table SquaredDifferenceOptions
table SqueezeOptions
 squeeze_dims:[i4]
table StableHLOCompositeOptions
 name:string decomposition_subgraph_index:i4 composite_attributes:[u1] composite_attributes_format:i1
 version:i4
table StablehloBroadcastInDimOptions
 broadcast_dimensions:[i8]
table StablehloCaseOptions
 branch_subgraph_indices:[i4]
table StablehloCompareOptions
 comparison_direction:u4 compare_type:u4
table StablehloConcatenateOptions
 dimension:i8
table StablehloConvolutionOptions
 window_strides:[i8] padding:[i8] lhs_dilation:[i8] rhs_dilation:[i8] window_reversal:[b1]
 input_batch_dimension:i8 input_feature_dimension:i8 input_spatial_dimensions:[i8]
 kernel_input_feature_dimension:i8 kernel_output_feature_dimension:i8 kernel_spatial_dimensions:[i8]
 output_batch_dimension:i8 output_feature_dimension:i8 output_spatial_dimensions:[i8]
 feature_group_count:i8 batch_group_count:i8 precision_config:[u4]
table StablehloCustomCallOptions
 call_target_name:string has_side_effect:b1 backend_config:string api_version:i4 called_computations:[i4]
 custom_attributes:[u1]
table StablehloDotGeneralOptions
 lhs_batching_dimensions:[i8] rhs_batching_dimensions:[i8] lhs_contracting_dimensions:[i8]
 rhs_contracting_dimensions:[i8] precision_config:[u4]
table StablehloDynamicSliceOptions
 slice_sizes:[i8]
table StablehloGatherOptions
 offset_dims:[i8] collapsed_slice_dims:[i8] start_index_map:[i8] index_vector_dim:i8 slice_sizes:[i8]
 indices_are_sorted:b1
table StablehloIotaOptions
 iota_dimension:i8
table StablehloPadOptions
 edge_padding_low:[i8] edge_padding_high:[i8] interior_padding:[i8]
table StablehloReduceOptions
 dimensions:[i8] body_subgraph_index:i4
table StablehloReduceWindowOptions
 window_dimensions:[i8] window_strides:[i8] base_dilations:[i8] window_dilations:[i8] padding:[i8]
 body_subgraph_index:i4
table StablehloRngBitGeneratorOptions
 algorithm:i1
table StablehloScatterOptions
 indices_are_sorted:b1 update_window_dims:[i8] inserted_window_dims:[i8] scatter_dims_to_operand_dims:[i8]
 index_vector_dim:i8 unique_indices:b1 update_computation_subgraph_index:i4
table StablehloShiftLeftOptions
table StablehloSliceOptions
 start_indices:[i8] limit_indices:[i8] strides:[i8]
table StablehloSortOptions
 dimension:i8 is_stable:b1 comparator_subgraph_index:i4
table StablehloTransposeOptions
 permutation:[i8]
table StablehloWhileOptions
 cond_subgraph_index:i4 body_subgraph_index:i4
table StridedSliceOptions
 begin_mask:i4 end_mask:i4 ellipsis_mask:i4 new_axis_mask:i4 shrink_axis_mask:i4 offset:b1
table SubGraph
 tensors:[Tensor] inputs:[i4] outputs:[i4] operators:[Operator] name:string debug_metadata_index:i4=-1
table SubOptions
 fused_activation_function:i1 pot_scale_int16:b1=1
table Tensor
 shape:[i4] type:i1 buffer:u4 name:string quantization:QuantizationParameters is_variable:b1
 sparsity:SparsityParameters shape_signature:[i4] has_rank:b1 variant_tensors:[VariantSubType]
 external_buffer:u4
table TensorMap
 name:string tensor_index:u4
table TileOptions
table TopKV2Options
table TransposeConvOptions
 padding:i1 stride_w:i4 stride_h:i4 fused_activation_function:i1 quantized_bias_type:i1
table TransposeOptions
table Uint16Vector
 values:[u2]
table Uint8Vector
 values:[u1]
table UnidirectionalSequenceLSTMOptions
 fused_activation_function:i1 cell_clip:f4 proj_clip:f4 time_major:b1 asymmetric_quantize_inputs:b1
 diagonal_recurrent_tensors:b1
table UniqueOptions
 idx_out_type:i1=2
table UnpackOptions
 num:i4 axis:i4
table UnsortedSegmentMaxOptions
table UnsortedSegmentMinOptions
table UnsortedSegmentProdOptions
table UnsortedSegmentSumOptions
table VarHandleOptions
 container:string shared_name:string
table VariantSubType
 shape:[i4] type:i1 has_rank:b1
table WhereOptions
table WhileOptions
 cond_subgraph_index:i4 body_subgraph_index:i4
table ZerosLikeOptions
)";
}

}  // namespace assay::tflite
