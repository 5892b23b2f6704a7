import * as build from "../../../../../graph/build";
import { EvaluationError } from "../../../values/unknown";
import { PyError, PyNamespace, PyNative, PyTensor, type Value } from "../../../values/values";
import { stackNodes } from "../functions/joining";
import { boolArg, numberArg, sequenceOf, stringArg } from "../registry/arguments";
import { native } from "../registry/native";
import { nodeOf, wrap } from "../tensor/tensor";

/**
 * What forward asks about where it runs: whether it is being compiled, scripted, exported, autocast or distributed. It is
 * not: a graph is what eager PyTorch computes on one machine.
 */

const answer = (name: string, value: Value): readonly [string, Value] => [
  name,
  new PyNative(name, "*args, **kwargs", () => value),
];
/** A function or class as it is, decorated or not. */
const unchanged = (name: string): readonly [string, Value] => [
  name,
  new PyNative(
    name,
    "obj=None, *args, **kwargs",
    (args) => args.obj ?? new PyNative(name, "obj", (inner) => inner.obj ?? null),
  ),
];
const space = (name: string, members: readonly (readonly [string, Value])[]): PyNamespace =>
  new PyNamespace(name, new Map(members));

function refused(name: string, instead: string): readonly [string, Value] {
  return [
    name.split(".").at(-1)!,
    native(name, "*args, **kwargs", (_args, runtime) => {
      throw new EvaluationError(`${name} is not supported: ${instead}`, runtime.place);
    }),
  ];
}

export const JIT: readonly (readonly [string, Value])[] = [
  answer("is_scripting", false),
  answer("is_tracing", false),
  unchanged("script_if_tracing"),
  unchanged("script_method"),
  unchanged("interface"),
];

export const CUDA: readonly (readonly [string, Value])[] = [
  answer("is_bf16_supported", false),
  answer("is_initialized", false),
  answer("synchronize", null),
  answer("empty_cache", null),
  answer("set_device", null),
];

/** Functions and values of torch itself. */
export const STATES: readonly (readonly [string, Value])[] = [
  answer("is_grad_enabled", true),
  answer("is_inference_mode_enabled", false),
  answer("is_autocast_enabled", false),
  answer("is_autocast_cpu_enabled", false),
  answer("are_deterministic_algorithms_enabled", false),
  answer("use_deterministic_algorithms", null),
  answer("set_float32_matmul_precision", null),
  answer("set_default_device", null),
  answer("get_float32_matmul_precision", "highest"),
  ["channels_last", "torch.channels_last"],
  ["channels_last_3d", "torch.channels_last_3d"],
  ["preserve_format", "torch.preserve_format"],
  refused("torch.vmap", "write the batch as a dimension of its own"),
  refused("torch.stft", "a graph has no Fourier transform"),
  refused("torch.istft", "a graph has no Fourier transform"),
];

/** Modules of torch, with the names they have in it. */
export function surroundings(autocast: Value): PyNamespace[] {
  const noFourier = [
    "fft",
    "ifft",
    "rfft",
    "irfft",
    "fft2",
    "ifft2",
    "rfft2",
    "irfft2",
    "fftn",
    "ifftn",
    "rfftn",
    "irfftn",
  ];
  return [
    space("torch.compiler", [
      answer("is_compiling", false),
      answer("is_dynamo_compiling", false),
      answer("is_exporting", false),
      unchanged("disable"),
      unchanged("allow_in_graph"),
    ]),
    space("torch._dynamo", [
      answer("is_compiling", false),
      answer("mark_static_address", null),
      unchanged("disable"),
      unchanged("allow_in_graph"),
    ]),
    space("torch.amp", [["autocast", autocast], unchanged("custom_fwd"), unchanged("custom_bwd")]),
    space("torch.distributed", [
      answer("is_available", false),
      answer("is_initialized", false),
      answer("get_rank", 0),
      answer("get_world_size", 1),
    ]),
    space("torch.onnx", [answer("is_in_onnx_export", false)]),
    space("torch.fx", [unchanged("wrap")]),
    space("torch.overrides", [
      answer("has_torch_function", false),
      answer("has_torch_function_unary", false),
      answer("has_torch_function_variadic", false),
    ]),
    space(
      "torch.fft",
      noFourier.map((name) => refused(`torch.fft.${name}`, "a graph has no Fourier transform")),
    ),
    space("torch.func", [refused("torch.func.vmap", "write the batch as a dimension of its own")]),
    space("torch.nested", [
      refused("torch.nested.nested_tensor", "pad the tensors to one shape"),
      refused("torch.nested.as_nested_tensor", "pad the tensors to one shape"),
    ]),
  ];
}

const PACKED = "give the layer a padded tensor; its outputs at the padding do not affect the others";

/** torch.nn.utils.rnn. */
export const SEQUENCES: readonly (readonly [string, Value])[] = [
  refused("torch.nn.utils.rnn.pack_padded_sequence", PACKED),
  refused("torch.nn.utils.rnn.pack_sequence", PACKED),
  refused("torch.nn.utils.rnn.pad_packed_sequence", PACKED),
  [
    "pad_sequence",
    native("pad_sequence", "sequences, batch_first=False, padding_value=0.0, padding_side='right'", (args, runtime) => {
      const nodes = (sequenceOf(args.sequences) ?? []).map((t) => {
        if (t instanceof PyTensor) return nodeOf(t, runtime);
        throw new PyError("TypeError", "pad_sequence(): argument 'sequences' must be tuple of Tensors");
      });
      const length = Math.max(0, ...nodes.map((n) => n.shape[0] ?? 0));
      const left = stringArg(args, "padding_side") === "left";
      const padded = nodes.map((n) => {
        const missing = n.shape.map((d, i) => (i === 0 ? length - d : 0));
        const none = n.shape.map(() => 0);
        return build.pad(n, left ? missing : none, left ? none : missing, numberArg(args, "padding_value"));
      });
      return wrap(stackNodes(padded, boolArg(args, "batch_first") ? 0 : 1));
    }),
  ],
];
