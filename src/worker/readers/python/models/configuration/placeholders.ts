import { Unknown } from "../../values/unknown";
import { type PyClass, PyObject, type Value } from "../../values/values";

const VOCABULARY = /^(n_|num_)?vocab(ulary)?(_size)?$/;

/**
 * `vocab_size: int = -1` of LLaMA's ModelArgs and its descendants stands for a number that the program takes from its
 * tokenizer before it makes a model. Among a configuration's defaults it is unknown, so that all other sizes are known.
 */
export function withoutPlaceholders(made: Value | undefined, type: PyClass): Value | undefined {
  if (!(made instanceof PyObject)) return made;
  for (const [name, value] of made.attributes) {
    if (value !== -1 || !VOCABULARY.test(name)) continue;
    const reason = `${name} of ${type.name} is -1 until the program sets it`;
    made.attributes.set(name, new Unknown(reason, type.place));
  }
  return made;
}
