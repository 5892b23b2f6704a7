import { PyClass, PyList } from "../../../values/values";
import { moduleClass } from "../module/module";

/** What torch.nn's classes have in common: the classes they derive from, and `__constants__`. */

/** Bases that code asks for in `isinstance`, by the layers that derive from them, with their own base. */
const BASES: readonly (readonly [base: string, layers: RegExp, above?: string])[] = [
  ["_ConvNd", /^Conv[123]d$/],
  ["_ConvTransposeNd", /^ConvTranspose[123]d$/, "_ConvNd"],
  ["_MaxPoolNd", /^MaxPool[123]d$/],
  ["_MaxUnpoolNd", /^MaxUnpool[123]d$/],
  ["_AvgPoolNd", /^AvgPool[123]d$/],
  ["_LPPoolNd", /^LPPool[123]d$/],
  ["_AdaptiveAvgPoolNd", /^AdaptiveAvgPool[123]d$/],
  ["_AdaptiveMaxPoolNd", /^AdaptiveMaxPool[123]d$/],
  ["_ConstantPadNd", /^ConstantPad[123]d$/],
  ["_ReflectionPadNd", /^ReflectionPad[123]d$/],
  ["_ReplicationPadNd", /^ReplicationPad[123]d$/],
  ["_CircularPadNd", /^CircularPad[123]d$/],
  ["_NormBase", /^$/],
  ["_BatchNorm", /^(BatchNorm[123]d|SyncBatchNorm)$/, "_NormBase"],
  ["_InstanceNorm", /^InstanceNorm[123]d$/, "_NormBase"],
  ["_DropoutNd", /^(Dropout[123]?d?|(Feature)?AlphaDropout)$/],
  ["RNNCellBase", /^(RNN|LSTM|GRU)Cell$/],
  ["_Loss", /^(?!AdaptiveLogSoftmax).*Loss$/],
  ["_WeightedLoss", /^(NLL|BCE|CrossEntropy|LinearCrossEntropy|MultiLabelSoftMargin|MultiMargin)Loss$/, "_Loss"],
];

/** The bases by name; RNNCellBase alone is public. */
export const layerBases = new Map<string, PyClass>();
for (const [name, , above] of BASES) {
  const base = above === undefined ? moduleClass : layerBases.get(above)!;
  const type = new PyClass(name, [base], new Map(), undefined, {});
  type.mro = [type, ...base.mro];
  layerBases.set(name, type);
}

/** What a layer of the name derives from: the last row that fits is the closest. */
export function baseOfLayer(name: string): PyClass {
  const row = BASES.findLast(([, layers]) => layers.test(name));
  return row ? layerBases.get(row[0])! : moduleClass;
}

/** Attributes that TorchScript takes for constants, by layers. Code lists them to copy or show a layer. */
const CONSTANTS: readonly (readonly [names: string, layers: RegExp])[] = [
  ["in_features, out_features", /^(NonDynamicallyQuantizable)?Linear$/],
  ["in1_features, in2_features, out_features", /^Bilinear$/],
  ["num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse", /^Embedding$/],
  [
    "num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx",
    /^EmbeddingBag$/,
  ],
  [
    "stride, padding, dilation, groups, padding_mode, output_padding, in_channels, out_channels, kernel_size",
    /^_ConvNd$/,
  ],
  ["kernel_size, stride, padding, dilation, return_indices, ceil_mode", /^_MaxPoolNd$/],
  ["kernel_size, stride, padding, ceil_mode, count_include_pad", /^AvgPool1d$/],
  ["kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override", /^AvgPool[23]d$/],
  ["kernel_size, return_indices, output_size, output_ratio", /^FractionalMaxPool[23]d$/],
  ["norm_type, kernel_size, stride, ceil_mode", /^_LPPoolNd$/],
  ["output_size", /^_AdaptiveAvgPoolNd$/],
  ["output_size, return_indices", /^_AdaptiveMaxPoolNd$/],
  ["padding, value", /^_ConstantPadNd$/],
  ["padding", /^_(Reflection|Replication|Circular)PadNd$/],
  ["track_running_stats, momentum, eps, num_features, affine", /^_NormBase$/],
  ["normalized_shape, eps, elementwise_affine", /^(Layer|RMS)Norm$/],
  ["num_groups, num_channels, eps, affine", /^GroupNorm$/],
  ["size, alpha, beta, k", /^LocalResponseNorm$/],
  ["p, inplace", /^_DropoutNd$/],
  ["inplace", /^(Hardsigmoid|Hardswish|Mish|ReLU|SELU|SiLU)$/],
  ["inplace, negative_slope", /^LeakyReLU$/],
  ["alpha, inplace", /^C?ELU$/],
  ["min_val, max_val, inplace", /^Hardtanh$/],
  ["lower, upper, inplace", /^RReLU$/],
  ["threshold, value, inplace", /^Threshold$/],
  ["lambd", /^(Hard|Soft)shrink$/],
  ["beta, threshold", /^Softplus$/],
  ["approximate", /^GELU$/],
  ["num_parameters", /^PReLU$/],
  ["dim", /^(GLU|Softmax|LogSoftmax|Softmin)$/],
  ["dim, eps", /^CosineSimilarity$/],
  ["norm, eps, keepdim", /^PairwiseDistance$/],
  ["start_dim, end_dim", /^Flatten$/],
  ["dim, unflattened_size", /^Unflatten$/],
  ["kernel_size, dilation, padding, stride", /^Unfold$/],
  ["output_size, kernel_size, dilation, padding, stride", /^Fold$/],
  ["upscale_factor", /^PixelShuffle$/],
  ["downscale_factor", /^PixelUnshuffle$/],
  ["groups", /^ChannelShuffle$/],
  ["size, scale_factor, mode, align_corners, name, recompute_scale_factor", /^Upsample$/],
  ["mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size", /^RNNBase$/],
  ["input_size, hidden_size, bias", /^RNNCellBase$/],
  ["input_size, hidden_size, bias, nonlinearity", /^RNNCell$/],
  ["batch_first", /^MultiheadAttention$/],
  ["norm_first", /^Transformer(En|De)coderLayer$/],
  ["norm", /^Transformer(En|De)coder$/],
  ["reduction", /^(BCE|KLDiv|L1|MSE|MultiLabelMargin|MultiLabelSoftMargin|SmoothL1|SoftMargin)Loss$/],
  ["margin, reduction", /^(CosineEmbedding|HingeEmbedding|MarginRanking)Loss$/],
  ["ignore_index, reduction", /^NLLLoss$/],
  ["ignore_index, reduction, label_smoothing", /^CrossEntropyLoss$/],
  ["num_classes, out_features, reduction, ignore_index, label_smoothing", /^LinearCrossEntropyLoss$/],
  ["blank, reduction", /^CTCLoss$/],
  ["full, eps, reduction", /^GaussianNLLLoss$/],
  ["log_input, full, eps, reduction", /^PoissonNLLLoss$/],
  ["reduction, delta", /^HuberLoss$/],
  ["p, margin, reduction", /^MultiMarginLoss$/],
  ["margin, p, eps, swap, reduction", /^TripletMarginLoss$/],
  ["margin, swap, reduction", /^TripletMarginWithDistanceLoss$/],
];

/** Gives a class the constants of its row. Those of a base are found in the base. */
export function setConstants(type: PyClass): void {
  const row = CONSTANTS.find(([, layers]) => layers.test(type.name));
  if (row) type.members.set("__constants__", new PyList(row[0].split(", ")));
  // The version of the state dict: since the second, batches are counted.
  if (type.name === "_NormBase") type.members.set("_version", 2);
}
for (const type of layerBases.values()) setConstants(type);
