/**
 * `torch` as the tracing evaluator sees it: PyTorch's names bound to objects that build graph nodes.
 *
 * Conventions shared with the evaluator:
 * - Classes of torch.nn are `PyClass`es whose `members` hold `__init__`, `forward`, `__getitem__`, ... as `PyNative`s with
 *   `self`. An instance is made as for any class: a new PyObject, then `__init__` looked up along the MRO.
 *   `Module.__init__` is what sets `PyObject.module`; before it, assigning a parameter or module is PyTorch's error.
 * - A parameter or persistent buffer has `PyTensor.stored`. Once the evaluator has set `stored.path`, using the tensor
 *   gives a `parameter` node of that path; before that, its initial value. Non-persistent buffers have no `stored`.
 * - Operators are named by their Python tokens. One operand: "-", "+", "~". Augmented ones ("+=") work in place.
 */

export { callStandIn } from "./layerCalls";
export {
  isModule,
  moduleAttribute,
  moduleCall,
  moduleClass,
  moduleDeleteAttribute,
  moduleNames,
  moduleSetAttribute,
  newModuleState,
} from "./module/module";
export { TORCH_MODULES } from "./namespaces";
export { tensorOperator } from "./operators";
export type { Draw, RandomNumbers } from "./random/draws";
export { type InitialTensor, initialize } from "./random/initialize";
export { tensorSetIndex } from "./tensor/assignment";
export { conditionOf, tensorScalar, tensorTruthy } from "./tensor/fold";
export { tensorIndex, tensorIterate, tensorLength } from "./tensor/indexing";
export { rowsOneByOne, SelectedLength } from "./tensor/selectedRows";
export { wrap as wrapNode } from "./tensor/tensor";
export {
  parameterClass,
  tensorAttribute,
  tensorAttributeLike,
  tensorClass,
  tensorIsInstance,
  tensorSetAttribute,
} from "./tensor/tensorClass";
