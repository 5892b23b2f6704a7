import assert from "node:assert/strict";
import {
  ATTRIBUTE_TYPE,
  decodeModel,
  EXTERNAL,
  encodeModel,
  type ModelProto,
  ONNX_DTYPE,
} from "../../../src/worker/formats/onnx";

const model: ModelProto = {
  irVersion: 10,
  producerName: "test",
  opsetImport: [{ domain: "", version: 20 }],
  graph: {
    name: "g",
    node: [
      {
        name: "n",
        opType: "Gemm",
        input: ["x", "w", ""],
        output: ["y"],
        attribute: [
          { name: "alpha", type: ATTRIBUTE_TYPE.float, f: 0.5 },
          { name: "transB", type: ATTRIBUTE_TYPE.int, i: 1 },
          { name: "perm", type: ATTRIBUTE_TYPE.ints, ints: [1, 0, -1] },
        ],
      },
    ],
    initializer: [
      {
        name: "w",
        dims: [2, 3],
        dataType: ONNX_DTYPE.float16,
        dataLocation: EXTERNAL,
        externalData: [{ key: "offset", value: "5000000000" }],
      },
    ],
    input: [{ name: "x", type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 4 }, { dimValue: 0 }] } } } }],
    output: [],
  },
};

describe("ONNX models", () => {
  it("come back as they were written", () => {
    const decoded = decodeModel(encodeModel(model));
    // An attribute's lists are there, empty, also when it has none.
    for (const attribute of decoded.graph.node[0]!.attribute) {
      if (attribute.floats?.length === 0) delete attribute.floats;
      if (attribute.ints?.length === 0) delete attribute.ints;
    }
    assert.deepEqual(decoded, model);
  });

  it("are written with the field numbers of onnx.proto", () => {
    const bytes = encodeModel({
      irVersion: 10,
      opsetImport: [{ domain: "", version: 20 }],
      graph: { ...model.graph, node: [], initializer: [], input: [] },
    });
    // ir_version = 1 (varint 10); graph = 7 (bytes: name = 2, "g"); opset_import = 8 (bytes: domain = 1, version = 2).
    assert.deepEqual([...bytes], [0x08, 10, 0x3a, 3, 0x12, 1, 0x67, 0x42, 4, 0x0a, 0, 0x10, 20]);
  });

  it("are refused when they are not well formed", () => {
    assert.throws(() => decodeModel(encodeModel(model).subarray(0, 40)));
  });
});
