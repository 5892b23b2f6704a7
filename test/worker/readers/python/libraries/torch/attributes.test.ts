import assert from "node:assert/strict";
import { PythonEvaluator } from "../../../../../../src/worker/readers/python/evaluate/evaluator";
import { builtinScope } from "../../../../../../src/worker/readers/python/evaluate/objects/builtins";
import { repr } from "../../../../../../src/worker/readers/python/evaluate/objects/text";
import { execute } from "../../../../../../src/worker/readers/python/evaluate/run/statements";
import { STANDARD_LIBRARY } from "../../../../../../src/worker/readers/python/libraries/stdlib";
import { TORCH_MODULES } from "../../../../../../src/worker/readers/python/libraries/torch";
import { parse } from "../../../../../../src/worker/readers/python/syntax/parse";
import { Source } from "../../../../../../src/worker/readers/python/syntax/source";
import type { Evaluator } from "../../../../../../src/worker/readers/python/values/evaluator";
import { DEFAULT_LIMITS } from "../../../../../../src/worker/readers/python/values/limits";
import { findMember } from "../../../../../../src/worker/readers/python/values/members";
import { PyProperty } from "../../../../../../src/worker/readers/python/values/types";
import { Unknown } from "../../../../../../src/worker/readers/python/values/unknown";
import {
  PyClass,
  PyDict,
  PyError,
  PyObject,
  type PyTensor,
  type Value,
} from "../../../../../../src/worker/readers/python/values/values";
import { reference } from "./reference";

type Described = (string | number)[] | null;
interface Layer {
  readonly call: string;
  readonly type: string;
  readonly values: Record<string, string>;
  readonly others: Record<string, string>;
  readonly parameters: Record<string, Described>;
  readonly buffers: Record<string, Described>;
  readonly modules: Record<string, string | null>;
  readonly repr: string;
}
interface Type {
  readonly bases: readonly string[];
  readonly members: Record<string, string>;
}
interface Fixture {
  readonly names: readonly string[];
  readonly layers: readonly Layer[];
  readonly types: readonly (readonly [string, Type])[];
  readonly answers: readonly (readonly [string, string])[];
}
const fixture = reference<Fixture>("attributes.json");

/** Classes of torch.nn that the reader does not have, and why. */
const MISSING: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    fixture.names
      .filter((name) => name.startsWith("Lazy"))
      .map((name) => [name, "its sizes come with the first input, which there is not while the file is read"]),
  ),
  RNNCellBase: "a base that nobody makes",
  Container: "deprecated, without a forward of its own",
  DataParallel: "it copies a module to several devices",
};

/** What PyTorch's own code alone needs: containers' counts of themselves, and parts of a layer's forward. */
const BOOKKEEPING = new Set([
  ...["_size", "_keys", "_flat_weight_refs", "__jit_unused_properties__", "__deprecated__", "merge_masks"],
  ...["check_forward_args", "check_hidden_size", "check_input", "permute_hidden"],
  ...["get_expected_cell_size", "get_expected_hidden_size"],
]);

const PRELUDE = `import torch
import torch.nn as nn
import torch.nn.functional as F
from collections import OrderedDict
from torch.nn.utils import parametrizations, parametrize
`;

/** The evaluator after the statements, which end in one that sets \`result\`. */
async function run(source: string): Promise<{ ev: Evaluator; result: Value }> {
  const text = PRELUDE + source;
  const module = await parse(text);
  assert.deepEqual(module.errors, []);
  const ev = new PythonEvaluator(
    new Source("a.py", text),
    DEFAULT_LIMITS,
    builtinScope(),
    (_, name) => TORCH_MODULES.get(name) ?? STANDARD_LIBRARY.get(name) ?? { why: "", absent: false },
  );
  for (const statement of module.body) execute(ev, ev.globals, statement);
  const result = ev.globals.lookup("result");
  assert.ok(result !== undefined, "no result");
  return { ev, result };
}

async function made(call: string): Promise<{ ev: Evaluator; layer: PyObject }> {
  const { ev, result } = await run(`result = ${call}\n`);
  assert.ok(result instanceof PyObject, result instanceof Unknown ? result.reason : "no object");
  return { ev, layer: result };
}

const shown = (ev: Evaluator, value: Value | undefined): string => {
  if (value === undefined) return "no such attribute";
  const text = repr(ev, value);
  return text instanceof Unknown ? `unknown: ${text.reason}` : text;
};
const describeTensor = (tensor: PyTensor | null): Described =>
  tensor && [tensor.dtype, ...tensor.shape.map((d) => d ?? "?")];

async function textOf(call: string): Promise<string> {
  const { result } = await run(`result = repr(${call})\n`);
  return typeof result === "string" ? result : "no text";
}

function isMissing(call: string): boolean {
  return Object.keys(MISSING).some((name) => call.startsWith(`nn.${name}(`));
}

describe("torch.nn's layers have the attributes of PyTorch's", () => {
  it("every class of torch.nn is compared, or left out for a reason", () => {
    const nn = TORCH_MODULES.get("torch.nn")!;
    const compared = new Set(fixture.layers.map(({ call }) => /^nn\.(\w+)/.exec(call)?.[1]));
    const open = fixture.names.filter((name) => MISSING[name] === undefined && !(compared.has(name) && nn.get(name)));
    assert.deepEqual(open, []);
  });

  for (const expected of fixture.layers) {
    if (isMissing(expected.call)) continue;
    it(expected.call, async () => {
      const { ev, layer } = await made(expected.call);
      assert.equal(layer.type.name, expected.type.replace("Parametrized", ""));
      const wanted = Object.entries(expected.values).filter(([name]) => !BOOKKEEPING.has(name));
      const values = wanted.map(([name]) => [name, shown(ev, ev.tryAttribute(layer, name))]);
      assert.deepEqual(values, wanted);
      const others = Object.keys(expected.others).filter(
        (name) => !BOOKKEEPING.has(name) && ev.tryAttribute(layer, name) === undefined,
      );
      assert.deepEqual(others, []);
      const all = new Set([...Object.keys(expected.values), ...Object.keys(expected.others)]);
      const surplus = [...layer.attributes.keys()].filter((name) => !all.has(name));
      assert.deepEqual(surplus, []);
      // What is computed from others goes by other parts here, and PyTorch names tensors of a list.
      if (!/^Param|^nn.utils|^parametrizations|^nn.Parameter/.test(expected.call))
        assert.equal(await textOf(expected.call), expected.repr);
      const { parameters, buffers, modules } = layer.module!;
      const tensors = (held: Iterable<readonly [string, PyTensor | null]>) =>
        [...held].map(([name, tensor]) => [name, describeTensor(tensor)]);
      assert.deepEqual(tensors(parameters), Object.entries(expected.parameters));
      assert.deepEqual(
        tensors([...buffers].map(([name, { tensor }]) => [name, tensor])),
        Object.entries(expected.buffers),
      );
      assert.deepEqual(
        [...modules].map(([name, child]) => [name, child?.type.name ?? null]),
        Object.entries(expected.modules),
      );
    });
  }
});

describe("torch.nn's classes have the members of PyTorch's", () => {
  for (const [name, { bases, members }] of fixture.types) {
    if (MISSING[name] !== undefined) continue;
    it(name, async () => {
      const type = TORCH_MODULES.get("torch.nn")!.get(name);
      assert.ok(type instanceof PyClass);
      assert.deepEqual(
        type.mro.slice(1).map((base) => base.name),
        bases,
      );
      const { ev } = await run("result = None\n");
      const kindOf = (member: Value | undefined): string => {
        if (member instanceof PyProperty) return "property";
        return member instanceof PyObject ||
          (typeof member === "object" && member !== null && !(member instanceof PyDict) && "name" in member)
          ? "method"
          : shown(ev, member);
      };
      const wanted = Object.entries(members).filter(([member]) => !BOOKKEEPING.has(member));
      const own = wanted.map(([member]) => [member, kindOf(findMember(type, member))]);
      assert.deepEqual(own, wanted);
    });
  }
});

/** `torch.Size([2, 3])` is a plain tuple to the reader. */
const sizesAsTuples = (text: string): string =>
  text.replace(/torch\.Size\(\[([^\]]*)\]\)/g, (_, items: string) => `(${items}${/^\d+$/.test(items) ? "," : ""})`);

describe("code that asks for attributes gets PyTorch's answers", () => {
  for (const [program, expected] of fixture.answers) {
    it(program.replaceAll("\n", " / "), async () => {
      const lines = program.split("\n");
      const source = [...lines.slice(0, -1), `result = ${lines.at(-1)}`, ""].join("\n");
      let answer: string;
      try {
        const { ev, result } = await run(source);
        answer = shown(ev, result);
      } catch (error) {
        if (!(error instanceof PyError)) throw error;
        answer = `${error.type}: ${error.message}`;
      }
      // Python shows a KeyError's message in quotes.
      const wanted = /^KeyError: /.test(expected) ? expected.replace(/(?<=: )["']|["']$|\\(?=['"])/g, "") : expected;
      assert.equal(answer, sizesAsTuples(wanted));
    });
  }
});
