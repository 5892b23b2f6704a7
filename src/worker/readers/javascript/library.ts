/** TensorFlow.js's layer factories, and how it names and writes what they make. */

/** Class by factory of `tf.layers`, where the class is not the factory's name with a capital letter. */
const CLASSES: Readonly<Record<string, string>> = {
  conv1d: "Conv1D",
  conv2d: "Conv2D",
  conv3d: "Conv3D",
  conv2dTranspose: "Conv2DTranspose",
  conv3dTranspose: "Conv3DTranspose",
  separableConv2d: "SeparableConv2D",
  depthwiseConv2d: "DepthwiseConv2D",
  cropping2D: "Cropping2D",
  upSampling2d: "UpSampling2D",
  zeroPadding2d: "ZeroPadding2D",
  spatialDropout1d: "SpatialDropout1D",
  averagePooling1d: "AveragePooling1D",
  avgPool1d: "AveragePooling1D",
  avgPooling1d: "AveragePooling1D",
  averagePooling2d: "AveragePooling2D",
  avgPool2d: "AveragePooling2D",
  avgPooling2d: "AveragePooling2D",
  averagePooling3d: "AveragePooling3D",
  maxPooling1d: "MaxPooling1D",
  maxPool1d: "MaxPooling1D",
  maxPooling2d: "MaxPooling2D",
  maxPool2d: "MaxPooling2D",
  maxPooling3d: "MaxPooling3D",
  globalAveragePooling1d: "GlobalAveragePooling1D",
  globalAveragePooling2d: "GlobalAveragePooling2D",
  globalMaxPooling1d: "GlobalMaxPooling1D",
  globalMaxPool1d: "GlobalMaxPooling1D",
  globalMaxPooling2d: "GlobalMaxPooling2D",
  globalMaxPool2d: "GlobalMaxPooling2D",
  reLU: "ReLU",
  leakyReLU: "LeakyReLU",
  thresholdedReLU: "ThresholdedReLU",
  prelu: "PReLU",
  elu: "ELU",
  simpleRNN: "SimpleRNN",
  lstm: "LSTM",
  gru: "GRU",
  rnn: "RNN",
  convLstm2d: "ConvLSTM2D",
};

const FACTORY = /^layers\.([a-z]\w*)$/;

/** The layer class that a function of the library makes: `layers.dense` makes `Dense`. */
export function layerClass(path: string): string | undefined {
  const factory = FACTORY.exec(path)?.[1];
  if (factory === undefined || factory === "input") return undefined;
  return CLASSES[factory] ?? factory[0]!.toUpperCase() + factory.slice(1);
}

/** TensorFlow.js's own toSnakeCase, which names layers: `Conv2D` gives "conv2d", `MaxPooling2D` "max_pooling2d". */
export function snakeCase(name: string): string {
  return name
    .replace(/(.)([A-Z][a-z0-9]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}

/** A key of a layer's arguments as JSON has it: `useBias` is "use_bias". */
export function configKey(key: string): string {
  return key === "inputDType" ? "input_dtype" : key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Keys whose text names a function: written in camel case in code, in snake case in JSON. */
export function namesFunction(key: string): boolean {
  return /activation$|initializer$/.test(key);
}

/** The name that TensorFlow.js gives the n-th layer of a class that has none. */
export function automaticName(className: string, n: number): string {
  return `${snakeCase(className)}_${className}${n}`;
}
