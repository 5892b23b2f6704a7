import { DICT } from "../evaluate/objects/builtinTypes";
import { dataclassFields } from "../evaluate/objects/dataclasses";
import type { Definition, Scope } from "../evaluate/scope";
import { dictGet, dictOf, dictSet } from "../values/equality";
import type { Evaluator } from "../values/evaluator";
import { nativeOfUnknown } from "../values/native";
import { builtinClass, classOf, OBJECT, PyProperty, PyWrapped } from "../values/types";
import { Unimported, Unknown } from "../values/unknown";
import {
  PyDict,
  PyDType,
  PyError,
  PyFunction,
  PyList,
  PyNamespace,
  PyObject,
  PyTuple,
  type Value,
} from "../values/values";
import { ARGPARSE_NAMESPACE } from "./stdlib/argparse";
import { deepCopy } from "./stdlib/copy";
import { moduleClass } from "./torch";
import { cpuDevice } from "./torch/tensor/tensorClass";

/**
 * Lightning's classes that models derive from, whether Lightning is installed or not: a LightningModule is an nn.Module
 * with `hparams`, which `save_hyperparameters` fills from the frames of the constructors. What trains is not followed.
 * https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#save-hyperparameters
 */

const PACKAGES = /^(lightning|pytorch_lightning)(\.|$)/;
/** Modules on the way to the classes, in this version and older ones. */
const MODULES = /^(pytorch|core|lightning|module|datamodule|mixins|hparams_mixin|utilities|parsing)$/;

const ATTRIBUTE_DICT = builtinClass("AttributeDict", [DICT], (args, kwargs, ev) => {
  const made = attributeDict();
  const given = ev.call(DICT, args, kwargs);
  if (!(given instanceof PyDict)) return given;
  for (const { key, value } of given.entries.values()) dictSet(made, key, value);
  return made;
});
ATTRIBUTE_DICT.members.set(
  "__getattr__",
  nativeOfUnknown("__getattr__", "self, key", ({ self, key }) => {
    const value = self instanceof PyDict ? dictGet(self, key!) : undefined;
    if (value !== undefined) return value;
    throw new PyError("AttributeError", `Missing attribute "${String(key)}"`, undefined, undefined, self);
  }),
);
ATTRIBUTE_DICT.members.set(
  "__setattr__",
  nativeOfUnknown("__setattr__", "self, key, val", ({ self, key, val }) => {
    if (self instanceof PyDict) dictSet(self, key!, val!);
    return null;
  }),
);

function attributeDict(entries: Iterable<readonly [Value, Value]> = []): PyDict {
  const made = dictOf(entries);
  made.subclass = { type: ATTRIBUTE_DICT, attributes: new Map() };
  return made;
}

/** Past the properties, which only read these. */
const KEPT = "_hparams";
const INITIAL = "_hparams_initial";

function hparamsOf(self: Value): Value {
  if (!(self instanceof PyObject)) return new Unknown("hparams of something other than a LightningModule");
  const kept = self.attributes.get(KEPT) ?? attributeDict();
  self.attributes.set(KEPT, kept);
  return kept;
}

/** As `_set_hparams` does it: what is given is added to what is there, a configuration of another kind replaces it. */
function setHparams(self: Value, given: Value): void {
  if (!(self instanceof PyObject)) return;
  const isNamespace = given instanceof PyObject && given.type === ARGPARSE_NAMESPACE;
  const entries = isNamespace ? [...given.attributes] : given instanceof PyDict ? pairsOf(given) : undefined;
  if ([null, true, false].includes(given as null) || typeof given === "number" || typeof given === "string")
    throw new PyError("ValueError", "Primitives are not allowed as hyperparameters.");
  const kept = hparamsOf(self);
  if (entries && kept instanceof PyDict) for (const [key, value] of entries) dictSet(kept, key, value);
  else self.attributes.set(KEPT, given);
}

const pairsOf = (dict: PyDict): [Value, Value][] =>
  [...dict.entries.values()].map(({ key, value }): [Value, Value] => [key, value]);

/** Arguments of the constructors under way on `self`, the most derived class's last, so that they win. */
function constructorArguments(ev: Evaluator, self: Value): Map<string, Value> {
  const fields = classOf(self) && dataclassFields(classOf(self)!);
  if (fields) return new Map(fields.map(({ name }) => [name, ev.getAttribute(self, name)]));
  const found = new Map<string, Value>();
  let inside = false;
  for (let frame = ev.frame; frame; frame = frame.caller) {
    const own = argumentsIn(frame);
    if (own === undefined) {
      if (inside) break;
      continue;
    }
    inside = true;
    for (const [name, value] of own) found.set(name, value);
  }
  return found;
}

/** The values that a constructor's parameters have now, without `self` and `*args`; undefined in other functions. */
function argumentsIn({ owner, receiver, names }: Scope): Map<string, Value> | undefined {
  const init = owner?.type?.members.get("__init__");
  if (!(init instanceof PyFunction) || !isOfLightning(receiver)) return undefined;
  const { params } = init.definition as Definition;
  if (names.get(params[0]?.name ?? "") !== receiver) return undefined;
  const found = new Map<string, Value>();
  for (const { name, kind } of params.slice(1)) {
    const value = names.get(name);
    if (value === undefined || kind === "star") continue;
    if (kind !== "doubleStar") found.set(name, value);
    else if (value instanceof PyDict) for (const [key, inner] of pairsOf(value)) found.set(String(key), inner);
  }
  return found;
}

function isOfLightning(value: Value | undefined): boolean {
  return value !== undefined && (classOf(value)?.mro.includes(HYPERPARAMETERS) ?? false);
}

function stringsOf(value: Value | undefined): string[] {
  const items = value instanceof PyList || value instanceof PyTuple ? value.items : [value];
  return items.filter((item) => typeof item === "string");
}

const SAVE = nativeOfUnknown(
  "save_hyperparameters",
  "self, *args, ignore=None, frame=None, logger=True",
  ({ self, args, ignore }, ev) => {
    if (!(self instanceof PyObject)) return null;
    const given = (args as PyTuple).items;
    const [first] = given;
    if (given.length === 1 && !(first instanceof Unknown) && !ev.truthy(first!)) return null;
    const left = new Set(stringsOf(ignore));
    const own = [...constructorArguments(ev, self)].filter(([name]) => !left.has(name));
    const others = given.filter((value) => typeof value !== "string");
    if (others.length === 1) setHparams(self, others[0]!);
    else setHparams(self, dictOf(given.length === 0 ? own : stringsOf(args).map((name) => [name, named(own, name)])));
    const kept = hparamsOf(self);
    if (kept instanceof PyDict)
      self.attributes.set(KEPT, attributeDict(pairsOf(kept).filter(([name]) => !left.has(String(name)))));
    self.attributes.set(INITIAL, deepCopy(ev, hparamsOf(self)));
    return null;
  },
);

function named(own: readonly (readonly [string, Value])[], wanted: string): Value {
  const found = own.find(([name]) => name === wanted);
  if (!found) throw new PyError("KeyError", `'${wanted}'`);
  return found[1];
}

const HYPERPARAMETERS = builtinClass("HyperparametersMixin", [OBJECT]);
HYPERPARAMETERS.members.set(SAVE.name, SAVE);
HYPERPARAMETERS.members.set(
  "hparams",
  new PyProperty(
    nativeOfUnknown("hparams", "self", ({ self }) => hparamsOf(self!)),
    // `self.hparams = hparams` was the way before Lightning 1.0.
    nativeOfUnknown("hparams", "self, value", ({ self, value }) => {
      setHparams(self!, value!);
      return null;
    }),
    false,
  ),
);
HYPERPARAMETERS.members.set(
  "hparams_initial",
  readOnly("hparams_initial", (self, ev) => {
    const initial = self instanceof PyObject ? self.attributes.get(INITIAL) : undefined;
    return initial === undefined ? attributeDict() : deepCopy(ev, initial);
  }),
);

function readOnly(name: string, value: (self: Value, ev: Evaluator) => Value): PyProperty {
  return new PyProperty(
    nativeOfUnknown(name, "self", ({ self }, ev) => value(self!, ev)),
    null,
    false,
  );
}

const LIGHTNING_MODULE = builtinClass("LightningModule", [HYPERPARAMETERS, moduleClass]);
LIGHTNING_MODULE.mro = [LIGHTNING_MODULE, HYPERPARAMETERS, ...moduleClass.mro, OBJECT];
const DATA_MODULE = builtinClass("LightningDataModule", [HYPERPARAMETERS]);

/** Hooks that a Trainer calls, and logging: they do nothing by themselves. */
const HOOKS = [
  ..."prepare_data setup teardown print log log_dict backward manual_backward clip_gradients lr_scheduler_step".split(
    " ",
  ),
  ...["step", "zero_grad"].map((what) => `optimizer_${what}`),
  ..."optimizers callbacks model sharded_model gradient_clipping".split(" ").map((what) => `configure_${what}`),
  ..."fit_start fit_end before_backward after_backward before_optimizer_step before_zero_grad save_checkpoint load_checkpoint"
    .split(" ")
    .map((when) => `on_${when}`),
  ...["train", "val", "test", "predict"].map((stage) => `${stage}_dataloader`),
  ...["training", "validation", "test", "predict"].map((stage) => `${stage}_step`),
  ...["train", "validation", "test", "predict"].flatMap((stage) =>
    ["", "_epoch", "_batch"].flatMap((span) => ["start", "end"].map((when) => `on_${stage}${span}_${when}`)),
  ),
  ...["toggle_optimizer", "untoggle_optimizer"],
];
for (const type of [LIGHTNING_MODULE, DATA_MODULE]) {
  for (const name of HOOKS) {
    if (moduleClass.members.has(name) && type === LIGHTNING_MODULE) continue;
    type.members.set(
      name,
      nativeOfUnknown(name, "self, *args, **kwargs", () => null),
    );
  }
  type.members.set(
    "load_from_checkpoint",
    new PyWrapped(
      "class",
      nativeOfUnknown(
        "load_from_checkpoint",
        "cls, *args, **kwargs",
        (_args, ev) => new Unknown("the hyperparameters in a checkpoint of Lightning's are not read", ev.place),
      ),
    ),
  );
}
/** Before a Trainer has the module. */
const AT_FIRST: Readonly<Record<string, Value>> = {
  current_epoch: 0,
  global_step: 0,
  global_rank: 0,
  local_rank: 0,
  logger: null,
  fabric: null,
  on_gpu: false,
  strict_loading: true,
  device: cpuDevice,
};
for (const [name, value] of Object.entries(AT_FIRST))
  LIGHTNING_MODULE.members.set(
    name,
    readOnly(name, () => value),
  );
const SETTABLE: Readonly<Record<string, Value>> = {
  automatic_optimization: true,
  example_input_array: null,
  prepare_data_per_node: true,
  dtype: new PyDType("float32"),
};
for (const [name, value] of Object.entries(SETTABLE)) LIGHTNING_MODULE.members.set(name, value);
for (const name of ["trainer", "loggers", "device_mesh"])
  LIGHTNING_MODULE.members.set(name, new Unknown(`${name} belongs to a Trainer, and training is not followed`));
for (const name of ["optimizers", "lr_schedulers", "all_gather", "to_onnx", "to_torchscript", "toggled_optimizer"])
  LIGHTNING_MODULE.members.set(
    name,
    nativeOfUnknown(
      name,
      "self, *args, **kwargs",
      (_args, ev) => new Unknown(`${name} of a LightningModule is not followed`, ev.place),
    ),
  );
for (const [name, trains] of [
  ["freeze", false],
  ["unfreeze", true],
] as const)
  LIGHTNING_MODULE.members.set(
    name,
    nativeOfUnknown(name, "self", ({ self }, ev) => {
      ev.call(ev.getAttribute(self!, "requires_grad_"), [trains]);
      ev.call(ev.getAttribute(self!, "train"), [trains]);
      return null;
    }),
  );

const CLASSES = new Map(
  [LIGHTNING_MODULE, DATA_MODULE, HYPERPARAMETERS, ATTRIBUTE_DICT].map((type) => [type.name, type]),
);

/** A class of Lightning's, whichever of its modules it is taken from. */
export function lightningName(module: string, name: string): Value | undefined {
  return PACKAGES.test(module) ? CLASSES.get(name) : undefined;
}

/** Where Lightning is not installed: its classes that models derive from; anything else of it is unknown. */
export function absentLightning(name: string): PyNamespace | undefined {
  return PACKAGES.test(name) ? new AbsentLightning(name) : undefined;
}

class AbsentLightning extends PyNamespace {
  constructor(name: string) {
    super(name, new Map());
  }

  override get(name: string): Value {
    const full = `${this.name}.${name}`;
    if (MODULES.test(name)) return new AbsentLightning(full);
    return CLASSES.get(name) ?? new Unimported(`the import of ${full} was not followed: it is not installed`);
  }
}
