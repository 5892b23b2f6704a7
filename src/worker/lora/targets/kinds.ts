import type { LayerKind } from "../../../protocol/reports/summary";
import { sizeOf } from "../../formats/tensor";
import { type Model, type ModuleInfo, walkModules } from "../../readers/model";
import { isLinear, outputHead } from "./targets";

/** A module with parameters of its own. */
export interface KindedLayer {
  readonly module: ModuleInfo;
  readonly kind: LayerKind;
  /** Scalars of the parameters that it holds itself; a tied one counts where it is held first. */
  readonly parameters: number;
}

/** A module, and the modules that hold it, the nearest first. */
interface Placed {
  readonly module: ModuleInfo;
  readonly owners: readonly ModuleInfo[];
}

const EMBEDDING = /^(Embedding(Bag)?|.*[a-z0-9]Embeddings?)$/;
/** Of torch.nn and of Keras. transformers' Conv1D is a linear layer, and is asked for before. */
const CONVOLUTION = /^(Lazy|Depthwise|Separable)?Conv(Transpose)?[123][dD](Transpose)?$/;
/** Names that are no more than part of one, such as "pos_embed" and "word_embeddings". */
const EMBEDDING_NAME = /(^|_)(embed|embedding|embeddings|wpe|wte)$/;

const ATTENTION_CLASS = /Attention|Attn|^MHA$/;
const ATTENTION_NAME = /attention|attn|^mha$/i;
const FEED_FORWARD_CLASS =
  /FeedForward|MLP|Mlp|FFN|FFD|DenseReluDense|DenseGatedActDense|DenseActDense|Expert|Intermediate/;
const FEED_FORWARD_NAME = /^(mlp|ffn?|feed_?forward|experts?|shared_expert|intermediate|DenseReluDense)$/i;
/** Names that are given to linear layers of a feed-forward part and to no others. */
const FEED_FORWARD_LAYER =
  /^(fc_?\d|fc_(in|out)|c_fc|(up|down|gate|gate_up)_proj|w[123]|lin(ear)?_?[12]|wi(_[01])?|dense_h_to_4h|dense_4h_to_h)$/;

const QUERY = /^(q|query|to_q|wq|w_q|q_proj|q_lin|query_proj|W_?q(uery)?)$/;
const KEY = /^(k|key|to_k|wk|w_k|k_proj|k_lin|key_proj|W_?k(ey)?)$/;
const VALUE = /^(v|value|to_v|wv|w_v|v_proj|v_lin|value_proj|W_?v(alue)?)$/;
/** Of an attention whose three other projections are beside it. */
const OUTPUT = /^(o|out|output|to_out|wo|w_o|o_proj|out_proj|out_lin|W_?o(ut)?|proj)$/;

const NONLINEARITY =
  /^(ReLU6?|LeakyReLU|PReLU|RReLU|ELU|SELU|CELU|GELU|SiLU|Swish|Mish|Tanh|Sigmoid|LogSigmoid|Softplus|Softsign|Hardswish|Hardtanh|Hardsigmoid|GLU|QuickGELU|NewGELU|.*Activation)$/;
/** Between two linear layers and their nonlinearity. */
const BETWEEN = /^(Dropout|Identity|(Batch|Layer|RMS|Group)Norm(1d)?)$/;

/**
 * The modules that hold the model's parameters, with their kinds, in registration order. Kinds follow from structure and
 * names, the first of these that applies:
 *
 * | kind         | is                                                                                                      |
 * | ------------ | ------------------------------------------------------------------------------------------------------- |
 * | head         | the output head, as `outputHead` finds it                                                               |
 * | convolution  | a convolution of torch.nn or Keras                                                                      |
 * | embedding    | an Embedding, or parameters of a module that are named as one (`pos_embed`)                             |
 * | feed-forward | a linear layer with a name of one (`fc1`, `up_proj`), one of two in a Sequential with a nonlinearity    |
 * |              | between, or one in the nearest module that says so by class or name (`MLP`, `ffn`)                      |
 * | attention    | a linear layer beside projections of query, key and value, or in the nearest module that says so by     |
 * |              | class or name (`SelfAttention`, `attn`)                                                                 |
 * | other        | everything else, such as norms and linear layers with names that say nothing                            |
 *
 * The parameters of all together are the model's. @throws never; a parameter of unknown size counts as none.
 */
export function layerKinds(model: Pick<Model, "root" | "part" | "pretrained" | "stateDict">): KindedLayer[] {
  const placed = placedModules(model.root);
  const head = outputHead(model)?.path;
  const held = new Map<string, { count: number; names: string[] }>();
  for (const { path, shape, buffer, tiedTo } of model.stateDict) {
    if (buffer) continue;
    const owner = ownerOf(path, placed);
    const own = held.get(owner) ?? { count: 0, names: [] };
    own.names.push(path.slice(owner === "" ? 0 : owner.length + 1));
    if (tiedTo === undefined && shape.every((size) => size !== undefined)) own.count += sizeOf(shape as number[]);
    held.set(owner, own);
  }
  const layers: KindedLayer[] = [];
  for (const { path } of walkModules(model.root)) {
    const at = placed.get(path);
    const own = held.get(path);
    if (!at || !own) continue;
    const kind = at.module.path === head ? "head" : kindOf(at, own.names, model.part === true);
    layers.push({ module: at.module, kind, parameters: own.count });
  }
  return layers;
}

function placedModules(root: ModuleInfo): Map<string, Placed> {
  const placed = new Map<string, Placed>();
  for (const module of walkModules(root)) {
    const known = placed.get(module.path);
    const owners = known?.owners ?? [];
    if (!known) placed.set(module.path, { module, owners });
    for (const child of module.children) placed.set(child.path, { module: child, owners: [module, ...owners] });
  }
  return placed;
}

/** The path of the module that holds a parameter: parameter names may have dots of their own. */
function ownerOf(path: string, placed: ReadonlyMap<string, Placed>): string {
  for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
    const owner = path.slice(0, dot);
    if (placed.has(owner)) return owner;
  }
  return "";
}

function kindOf(at: Placed, names: readonly string[], part: boolean): LayerKind {
  const { kind, base = kind } = at.module;
  if (isLinear(at.module)) return linearKind(at, part);
  if (CONVOLUTION.test(kind) || CONVOLUTION.test(base)) return "convolution";
  if (EMBEDDING.test(kind) || EMBEDDING.test(base)) return "embedding";
  if (names.every((name) => EMBEDDING_NAME.test(name))) return "embedding";
  // Its projections are parameters of its own.
  if (kind === "MultiheadAttention" || base === "MultiheadAttention") return "attention";
  return "other";
}

/** By the layer's own name and siblings, else by the nearest module that says what it is. */
function linearKind({ module, owners }: Placed, part: boolean): LayerKind {
  const name = lastName(module);
  const owner = owners[0];
  if (owner && hasProjections(owner) && [QUERY, KEY, VALUE, OUTPUT].some((pattern) => pattern.test(name))) {
    return "attention";
  }
  if (FEED_FORWARD_LAYER.test(name) || (owner && isBesideNonlinearity(module, owner))) return "feed-forward";
  const said = [module, ...owners].find((one) => saidBy(one, owners, part) !== undefined);
  return (said && saidBy(said, owners, part)) ?? "other";
}

/** What a module's class or name says of the linear layers in it. A whole model's class says nothing of its parts. */
function saidBy(module: ModuleInfo, owners: readonly ModuleInfo[], part: boolean): LayerKind | undefined {
  const { kind, path } = module;
  if (path === "" && !part) return undefined;
  const name = lastName(module);
  if (ATTENTION_NAME.test(name) || ATTENTION_CLASS.test(kind)) return "attention";
  if (FEED_FORWARD_NAME.test(name) || FEED_FORWARD_CLASS.test(kind)) return "feed-forward";
  // BERT has the way back from `intermediate` beside it.
  const owner = owners.find(({ children }) => children.includes(module));
  const isWayBack = name === "output" && owner?.children.some((sibling) => lastName(sibling) === "intermediate");
  return isWayBack ? "feed-forward" : undefined;
}

function hasProjections(owner: ModuleInfo): boolean {
  const names = owner.children.filter(isLinear).map(lastName);
  return [QUERY, KEY, VALUE].every((pattern) => names.some((name) => pattern.test(name)));
}

/** One of two linear layers of a Sequential with a nonlinearity between. */
function isBesideNonlinearity(module: ModuleInfo, owner: ModuleInfo): boolean {
  if (owner.kind !== "Sequential" && owner.base !== "Sequential") return false;
  const { children } = owner;
  const at = children.indexOf(module);
  return [1, -1].some((step) => {
    let nonlinear = false;
    for (let i = at + step; i >= 0 && i < children.length; i += step) {
      const child = children[i]!;
      if (isLinear(child)) return nonlinear;
      if (NONLINEARITY.test(child.kind)) nonlinear = true;
      else if (!BETWEEN.test(child.kind)) return false;
    }
    return false;
  });
}

function lastName({ path }: ModuleInfo): string {
  return path.slice(path.lastIndexOf(".") + 1);
}
