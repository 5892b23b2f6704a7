import protobuf from "protobufjs/light";
import type { DType } from "./dtype";

/**
 * The part of the ONNX schema that a computation needs: a model, its graph, nodes, attributes and tensors, weights in
 * external files included. Field numbers are those of onnx.proto, IR version 10
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto); fields that are left out are skipped when decoding.
 */

export interface ModelProto {
  irVersion: number;
  producerName?: string;
  opsetImport: OperatorSetIdProto[];
  graph: GraphProto;
}

export interface OperatorSetIdProto {
  /** Empty for ONNX's own operators. */
  domain: string;
  version: number;
}

export interface GraphProto {
  name: string;
  node: NodeProto[];
  initializer: TensorProto[];
  input: ValueInfoProto[];
  output: ValueInfoProto[];
}

export interface NodeProto {
  name: string;
  opType: string;
  domain?: string;
  /** An empty name stands for an optional input that is absent. */
  input: string[];
  output: string[];
  attribute: AttributeProto[];
}

export interface AttributeProto {
  name: string;
  type: number;
  f?: number;
  i?: number;
  s?: Uint8Array;
  t?: TensorProto;
  floats?: number[];
  ints?: number[];
}

export interface TensorProto {
  name: string;
  dims: number[];
  dataType: number;
  rawData?: Uint8Array;
  /** location (relative to the model's folder), offset and length, as decimal text. */
  externalData?: { key: string; value: string }[];
  dataLocation?: number;
}

export interface ValueInfoProto {
  name: string;
  type: { tensorType: { elemType: number; shape: { dim: { dimValue: number }[] } } };
}

/** AttributeProto.AttributeType */
export const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;

/** TensorProto.DataLocation.EXTERNAL */
export const EXTERNAL = 1;

/** TensorProto.DataType */
export const ONNX_DTYPE: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

const field = (id: number, type: string) => ({ id, type });
const repeated = (id: number, type: string) => ({ id, type, rule: "repeated" as const });
/** In proto2 a field that is set is written, also when it is 0: a dimension of size 0 is not an unknown one. */
const message = (fields: Record<string, protobuf.IField>) => ({ edition: "proto2", fields });

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: message({
      irVersion: field(1, "int64"),
      producerName: field(2, "string"),
      graph: field(7, "GraphProto"),
      opsetImport: repeated(8, "OperatorSetIdProto"),
    }),
    OperatorSetIdProto: message({ domain: field(1, "string"), version: field(2, "int64") }),
    GraphProto: message({
      node: repeated(1, "NodeProto"),
      name: field(2, "string"),
      initializer: repeated(5, "TensorProto"),
      input: repeated(11, "ValueInfoProto"),
      output: repeated(12, "ValueInfoProto"),
    }),
    NodeProto: message({
      input: repeated(1, "string"),
      output: repeated(2, "string"),
      name: field(3, "string"),
      opType: field(4, "string"),
      attribute: repeated(5, "AttributeProto"),
      domain: field(7, "string"),
    }),
    AttributeProto: message({
      name: field(1, "string"),
      f: field(2, "float"),
      i: field(3, "int64"),
      s: field(4, "bytes"),
      t: field(5, "TensorProto"),
      floats: repeated(7, "float"),
      ints: repeated(8, "int64"),
      type: field(20, "int32"),
    }),
    TensorProto: message({
      dims: repeated(1, "int64"),
      dataType: field(2, "int32"),
      name: field(8, "string"),
      rawData: field(9, "bytes"),
      externalData: repeated(13, "StringStringEntryProto"),
      dataLocation: field(14, "int32"),
    }),
    StringStringEntryProto: message({ key: field(1, "string"), value: field(2, "string") }),
    ValueInfoProto: message({ name: field(1, "string"), type: field(2, "TypeProto") }),
    TypeProto: message({ tensorType: field(1, "TypeProtoTensor") }),
    TypeProtoTensor: message({ elemType: field(1, "int32"), shape: field(2, "TensorShapeProto") }),
    TensorShapeProto: message({ dim: repeated(1, "TensorShapeDimension") }),
    TensorShapeDimension: message({ dimValue: field(1, "int64") }),
  },
});

const modelType = root.lookupType("ModelProto");

export function encodeModel(model: ModelProto): Uint8Array {
  return modelType.encode(modelType.fromObject(model)).finish();
}

/** Throws protobufjs' own error when the bytes are not a well-formed message. */
export function decodeModel(bytes: Uint8Array): ModelProto {
  const message = modelType.decode(bytes);
  return modelType.toObject(message, { longs: Number, arrays: true, defaults: false }) as ModelProto;
}
