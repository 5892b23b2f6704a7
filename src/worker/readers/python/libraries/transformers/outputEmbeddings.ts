import type { Pretrained } from "../../../model";
import { pythonMessage } from "../../evaluate/errors";
import { differentModulesOf } from "../../models/tree";
import type { Evaluator } from "../../values/evaluator";
import { Unknown } from "../../values/unknown";
import { PyError, type PyObject, type Value } from "../../values/values";

/** The method looks at a few attributes; a model's own may look at more. */
const STEPS = 100_000;

/**
 * What PEFT's "all-linear" needs to know about a model: whether it is one of transformers, and its output embeddings.
 */
export function pretrainedOf(ev: Evaluator, root: PyObject): Pretrained | undefined {
  if (!root.type.mro.some(({ name, place }) => name === "PreTrainedModel" && isTransformers(place?.file)))
    return undefined;
  const given = answerOf(ev, root);
  if (given instanceof Unknown) return { unknown: given.reason };
  // What the method has given is no copy that nobody has looked into, or the copy itself.
  const path = [...differentModulesOf(root)].find(([, module]) => module === given)?.[0];
  return path === undefined ? {} : { outputEmbeddings: path };
}

function isTransformers(file: string | undefined): boolean {
  return file !== undefined && /[\\/]transformers[\\/]modeling_utils\.py$/.test(file);
}

function answerOf(ev: Evaluator, root: PyObject): Value {
  const { value, error } = ev.attempt(() => ev.call(ev.getAttribute(root, "get_output_embeddings"), []), STEPS);
  if (error) return new Unknown(error instanceof PyError ? pythonMessage(error) : error.message, error.place);
  return value ?? null;
}
