import { dataclassFields } from "../evaluate/objects/dataclasses";
import { lightningName } from "../libraries/lightning";
import { DATACLASSES } from "../libraries/stdlib/dataclasses";
import { named, namespace } from "../libraries/stdlib/namespace";
import { timmName } from "../libraries/timm";
import { moduleClass } from "../libraries/torch";
import { torchvisionName } from "../libraries/torchvision";
import {
  AUTO_FROM_PRETRAINED,
  CONFIG_FROM_PRETRAINED,
  MODEL_FROM_PRETRAINED,
} from "../libraries/transformers/pretrained";
import { INIT_WEIGHTS, POST_INIT, TIE_WEIGHTS } from "../libraries/transformers/tiedWeights";
import { dictGet, dictOf, dictSet } from "../values/equality";
import type { Evaluator, NotFollowed } from "../values/evaluator";
import { findMember } from "../values/members";
import { native, nativeOfUnknown } from "../values/native";
import type { ReadingSession } from "../values/session";
import { builtinClass, classOf, OBJECT, PyProperty, PyWrapped } from "../values/types";
import { Unknown } from "../values/unknown";
import { PyClass, PyDict, PyFunction, PyNamespace, PyNative, PyObject, PyTuple, type Value } from "../values/values";

/**
 * Parts of Hugging Face's libraries that are about downloading, documenting, distributing and checking, and would take
 * long to evaluate for nothing: what they come to for a model's modules.
 */

/** `@decorator` and `@decorator(...)`, which give back what they decorate. */
function transparent(name: string): PyNative {
  return nativeOfUnknown(name, "*args, **kwargs", (args) => {
    const [first, ...more] = (args.args as PyTuple).items;
    const bare = more.length === 0 && (args.kwargs as PyDict).entries.size === 0 && isDefinition(first);
    return bare ? first! : nativeOfUnknown(name, "decorated", ({ decorated }) => decorated!);
  });
}

function isDefinition(value: Value | undefined): boolean {
  return [PyFunction, PyClass, PyWrapped, PyProperty, PyNative].some((kind) => value instanceof kind);
}

/** A data class's field whose value is checked: the field without the check. */
const VALIDATED_FIELD = nativeOfUnknown("validated_field", "*validators, **kwargs", ({ kwargs }, ev) => {
  const given = [...(kwargs as PyDict).entries.values()].map((e): [string, Value] => [String(e.key), e.value]);
  return ev.call(DATACLASSES.get("field")!, [], new Map(given));
});

const silent = new Unknown("a logger only writes messages");

const MODULES: ReadonlyMap<string, PyNamespace> = new Map(
  [
    namespace("huggingface_hub.dataclasses", [
      ["strict", transparent("strict")],
      ["as_validated_field", nativeOfUnknown("as_validated_field", "validator", () => VALIDATED_FIELD)],
      ["validated_field", VALIDATED_FIELD],
    ]),
    namespace("transformers.utils.logging", named([nativeOfUnknown("get_logger", "name=None", () => silent)])),
  ].map((module) => [module.name, module]),
);

/** Modules of which only a part is known here, or nothing has to be read. */
export function knownLibrary(name: string): PyNamespace | undefined {
  return MODULES.get(name);
}

/** Decorators about documentation, old names, checks of arguments and kernels of other libraries. */
const TRANSPARENT =
  /^(auto_(class_)?docstring|(add|replace)_\w*docstrings?\w*|deprecate_kwarg|use_kernel_\w+|use_experts_implementation|requires|torch_compilable_check|dynamic_rope_update|can_return_tuple|check_model_inputs|capture_outputs|merge_with_config_defaults|force_accelerate_hook|hub_kernel\w*|compile_friendly_\w*)$/;
/** Whether some machinery of PyTorch's traces, compiles or captures the model: none does. */
const TRACING =
  /^is_(jit_tracing|torch_fx_proxy|torchdynamo_compiling|torchdynamo_exporting|cuda_stream_capturing|fx_tracing)$/;
const PREPARING = /^Auto(Tokenizer|Processor|ImageProcessor|FeatureExtractor|VideoProcessor)$/;
/** Modules that train, run or quantize an existing model. */
const USING =
  /^((Seq2Seq)?Trainer|\w*TrainingArguments|(Data|default_data_)[Cc]ollator\w*|pipeline|set_seed|BitsAndBytesConfig|\w+Streamer|\w+Callback)$/;
/** Base classes of which a model's modules take nothing. */
const EMPTY_CLASSES = new Set(["GenerationMixin", "PeftAdapterMixin", "DistributedMixin"]);
/** Compiled for CUDA, and PyTorch code stands in for them where they are not there. */
const CUDA_ONLY = /^(flash_attn|mamba|causal_conv1d|fla|flash_linear|kernels|deepspeed|fbgemm|triton|apex|natten)/;
/** Packages whose name differs from what transformers calls them. */
const PACKAGE_NAMES: Readonly<Record<string, string>> = { vision: "PIL", sklearn: "sklearn", cv2: "cv2" };

/** What stands for a name of transformers, timm or torchvision, whichever of its modules it is taken from. */
export function libraryName(
  { stubs }: ReadingSession,
  module: string,
  name: string,
  installed: (name: string) => boolean,
): Value | undefined {
  const top = module.split(".")[0];
  if (top === "timm") return timmName(name);
  if (top === "torchvision") return torchvisionName(module, name);
  const ofLightning = lightningName(module, name);
  if (ofLightning !== undefined) return ofLightning;
  if (!isTransformers(module)) return undefined;
  const available = /^is_(\w+)_available$/.exec(name)?.[1];
  if (available !== undefined) {
    const there =
      available === "torch" || (!CUDA_ONLY.test(available) && installed(PACKAGE_NAMES[available] ?? available));
    return native(name, "*args, **kwargs", () => there);
  }
  const known = stubs.get(name);
  if (known !== undefined) return known;
  if (name === "logging" && /^transformers(\.utils)?$/.test(module)) return MODULES.get("transformers.utils.logging");
  const made = stubFor(name);
  if (made !== undefined) stubs.set(name, made);
  return made;
}

function stubFor(name: string): Value | undefined {
  if (name === "use_kernelized_func")
    return nativeOfUnknown(name, "*functions", () => nativeOfUnknown(name, "decorated", ({ decorated }) => decorated!));
  if (TRANSPARENT.test(name)) return transparent(name);
  if (EMPTY_CLASSES.has(name)) return builtinClass(name, [OBJECT]);
  // What it guards are branches on the values of tensors.
  if (name === "is_tracing") return native(name, "*args, **kwargs", () => true);
  // What turns text and images into numbers is data.
  if (PREPARING.test(name)) return new Unknown(`${name} prepares data, which is not read`);
  if (USING.test(name)) return new Unknown(`${name} works on an existing model, which is not followed`);
  if (TRACING.test(name)) return native(name, "*args, **kwargs", () => false);
  if (name === "is_torch_greater_or_equal") return native(name, "*args, **kwargs", () => true);
  return undefined;
}

function isTransformers(module: string): boolean {
  return module === "transformers" || module.startsWith("transformers.");
}

/** Changes a class that a module of transformers has just defined. */
export function adaptLibrary(module: string, name: string, value: Value): void {
  if (
    module === "transformers.models.auto.auto_factory" &&
    value instanceof PyClass &&
    value.members.has("from_config")
  ) {
    value.members.set("from_config", new PyWrapped("class", AUTO_FROM_CONFIG));
    value.members.set("from_pretrained", AUTO_FROM_PRETRAINED);
  }
  if (isConfiguration(module, name) && value instanceof PyClass)
    value.members.set("from_pretrained", CONFIG_FROM_PRETRAINED);
  if (module === "transformers.models.auto.auto_factory" && name === "_LazyAutoMapping" && value instanceof PyClass)
    value.members.set("__init__", AUTO_MAPPING_INIT);
  // Looked through with each attribute of each configuration: what gives layers different ones needs no guard here.
  if (name === "HeterogeneousConfigMixin" && isTransformers(module) && value instanceof PyClass)
    value.members.delete("__getattribute__");
  if (module === "transformers.utils.generic" && name === "ModelOutput" && value instanceof PyClass)
    value.members.set("__post_init__", OUTPUT_POST_INIT);
  if (module !== "transformers.modeling_utils" || name !== "PreTrainedModel" || !(value instanceof PyClass)) return;
  for (const method of [PRETRAINED_INIT, POST_INIT]) value.members.set(method.name, method);
  // Which configuration class a model has is read from the class itself.
  value.members.delete("__init_subclass__");
  value.members.set("_from_config", new PyWrapped("class", FROM_CONFIG));
  value.members.set("from_pretrained", MODEL_FROM_PRETRAINED);
  for (const unused of ["init_weights", "_init_weights", "initialize_weights", "gradient_checkpointing_enable"]) {
    value.members.set(
      unused,
      nativeOfUnknown(unused, "self, *args, **kwargs", () => null),
    );
  }
  // In transformers 4, the one that initializes weights ties them.
  if (value.members.has("tie_embeddings_and_encoder_decoder"))
    for (const method of [TIE_WEIGHTS, INIT_WEIGHTS]) value.members.set(method.name, method);
}

function isConfiguration(module: string, name: string): boolean {
  if (module === "transformers.models.auto.configuration_auto") return name === "AutoConfig";
  return module === "transformers.configuration_utils" && /^Pre[Tt]rainedConfig$/.test(name);
}

/** `ModelOutput.__post_init__`: what forward returns is a dict of the fields that are not None, without its checks. */
const OUTPUT_POST_INIT = nativeOfUnknown("__post_init__", "self", ({ self }, ev) => {
  if (!(self instanceof PyDict)) return null;
  for (const { name } of dataclassFields(classOf(self)!) ?? []) {
    const value = ev.tryAttribute(self, name);
    if (value !== undefined && value !== null) dictSet(self, name, value);
  }
  return null;
});

/** `PreTrainedModel.__init__`. Attention is the eager one, which every other implementation equals. */
const PRETRAINED_INIT = nativeOfUnknown("__init__", "self, config, *inputs, **kwargs", ({ self, config }, ev) => {
  const init = findMember(moduleClass, "__init__");
  if (init instanceof PyNative) ev.callNative(init, [self!]);
  if (config instanceof PyObject && (config.attributes.get("_attn_implementation_internal") ?? null) === null) {
    config.attributes.set("_attn_implementation_internal", "eager");
  }
  ev.setAttribute(self!, "config", config!);
  ev.setAttribute(self!, "name_or_path", "");
  ev.setAttribute(self!, "generation_config", new Unknown("how text is generated is not read"));
  return null;
});

/** What from_config takes for itself; the model's constructor gets the rest. */
const LOADING =
  /^(trust_remote_code|code_revision|dtype|torch_dtype|attn_implementation|experts_implementation|allow_all_kernels)$/;

function constructorsOwn(kwargs: Value | undefined): Map<string, Value> {
  const entries = kwargs instanceof PyDict ? [...kwargs.entries.values()] : [];
  return new Map(entries.map((e): [string, Value] => [String(e.key), e.value]).filter(([name]) => !LOADING.test(name)));
}

const FROM_CONFIG = nativeOfUnknown("_from_config", "cls, config, **kwargs", ({ cls, config, kwargs }, ev) =>
  ev.call(cls!, [config!], constructorsOwn(kwargs)),
);

/** `_LazyAutoMapping.__init__`, without the way back that only registering a model of one's own needs. */
const AUTO_MAPPING_INIT = nativeOfUnknown("__init__", "self, config_mapping, model_mapping", (args, ev) => {
  const { self, config_mapping: configs, model_mapping: models } = args;
  const pairs = configs instanceof PyDict ? [...configs.entries.values()] : [];
  ev.setAttribute(self!, "_config_mapping", configs!);
  ev.setAttribute(self!, "_reverse_config_mapping", dictOf(pairs.map(({ key, value }) => [value, key])));
  ev.setAttribute(self!, "_model_mapping", models!);
  ev.setAttribute(self!, "_extra_content", dictOf([]));
  ev.setAttribute(self!, "_modules", dictOf([]));
  return null;
});

/** `AutoModel.from_config`: the class that the auto class's table has for the configuration's. */
const AUTO_FROM_CONFIG = nativeOfUnknown("from_config", "cls, config, **kwargs", ({ cls, config, kwargs }, ev) => {
  if (!(config instanceof PyObject)) return new Unknown("the configuration that AutoModel is given is not known");
  const mapping = ev.getAttribute(cls!, "_model_mapping");
  const types = ev.getAttribute(mapping, "_reverse_config_mapping");
  const type = types instanceof PyDict ? dictGet(types, config.type.name) : undefined;
  const names = ev.getAttribute(mapping, "_model_mapping");
  const listed = names instanceof PyDict && type !== undefined ? dictGet(names, type) : undefined;
  const model = listed instanceof PyTuple ? listed.items[0] : listed;
  if (typeof type !== "string" || typeof model !== "string")
    return unfound(ev, `no model of this kind is listed for ${config.type.name}`);
  const auto = ev.resolveImport("transformers.models.auto.configuration_auto");
  const toModule = auto instanceof PyNamespace ? auto.get("model_type_to_module_name") : undefined;
  const folder = toModule === undefined ? type : ev.call(toModule, [type]);
  const home = ev.resolveImport(`transformers.models.${String(folder)}`);
  // Some of the table's models are another kind's.
  const found = memberOf(home, model) ?? memberOf(ev.resolveImport("transformers"), model);
  if (found === undefined) return unfound(ev, `${model} is not found in transformers`);
  const made = ev.call(found, [ofModel(ev, found, config)], constructorsOwn(kwargs));
  return made instanceof Unknown ? unfound(ev, made.reason) : made;
});

function memberOf(module: PyNamespace | NotFollowed, name: string): Value | undefined {
  return module instanceof PyNamespace ? module.get(name) : undefined;
}

/** Of a composite configuration the text's, where the table has the text's model for the whole. */
function ofModel(ev: Evaluator, model: Value, config: Value): Value {
  const parts = ev.tryAttribute(config, "sub_configs");
  const text = parts instanceof PyDict ? dictGet(parts, "text_config") : undefined;
  if (text === undefined || ev.tryAttribute(model, "config_class") !== text) return config;
  return ev.call(ev.getAttribute(config, "get_text_config"), []);
}

/** Reports the module that cannot be made here, which would otherwise be silently missing. */
function unfound(ev: Evaluator, why: string): Unknown {
  ev.problem(`the layers of this model are not shown: ${why}`, "error");
  return new Unknown(why, ev.place);
}
