import type { Graph } from "../../graph/graph";
import { is, type Node, type SourcePlace } from "../../graph/node";
import type { Model, ModuleInfo, ParameterInfo, Problem } from "../../readers/model";
import { type LowRankPath, lowRankPaths } from "./lowRank";

/**
 * Mistakes in handwritten LoRA, found from the computation and the modules' contents, never from words in the source.
 * https://arxiv.org/abs/2106.09685, section 4.1: h = W x + (alpha / r) B A x, with W frozen and B zero at first.
 */

/** @param standIn the model's sizes are stand-ins, so messages give none of its numbers. */
export function handwrittenLora(model: Model, graph: Graph | undefined, standIn = false): Problem[] {
  if (!graph) return [];
  const byPath = new Map(model.stateDict.map((p) => [p.path, p]));
  const paths = lowRankPaths(graph, (path) => isLoraByName(model, path));
  return [
    ...paths.flatMap((path) => {
      const at = path.place ?? model.place;
      return [
        ...scaling(path, model, at, standIn),
        ...initialization(path, byPath, at),
        ...freezing(path, model, byPath, at),
      ];
    }),
    ...unused(model, graph),
  ];
}

/** By the parameter's path, or by the class of a module that it is in. */
function isLoraByName(model: Model, path: string): boolean {
  return /lora/i.test(path) || modulesTo(model.root, path).some(({ kind }) => /lora/i.test(kind));
}

/** The modules that the parameter or module at the path is in, from the root down. */
function modulesTo(root: ModuleInfo, path: string): ModuleInfo[] {
  const found = [root];
  for (;;) {
    const next = found.at(-1)!.children.find((c) => path.startsWith(`${c.path}.`));
    if (!next) return found;
    found.push(next);
  }
}

// Scale

const SCALE = /alpha|scal(e|ing)/i;

/** A number that scales the path by its name. */
interface Scale {
  readonly name: string;
  readonly value: number;
}

function scaling(path: LowRankPath, model: Model, at: SourcePlace, standIn: boolean): Problem[] {
  const { factor, rank, factorPlace } = path;
  const scales = scalesOf(path, model);
  const alphas = scales.filter(({ name }) => /alpha/i.test(name));
  if (factor === undefined) return missing(path, model, scales, at, standIn);
  const where = factorPlace ?? at;
  if (factor === 0 && path.gates.length === 0) {
    // A given 0 means that no adapter is wanted.
    if (scales.some(({ value, name }) => value === 0 && !isDerived(name, alphas, rank))) return [];
    const [alpha] = alphas;
    const numbers = alpha && !standIn ? ` With ${alpha.name} ${format(alpha.value)} and rank ${rank}` : "";
    const cause = numbers === "" ? "Whole-number division" : `${numbers}, whole-number division`;
    const message = `The scaling factor of this low-rank path is 0, so the adapter adds nothing and is never trained.${numbers === "" ? ` ${cause}` : cause} rounds alpha / r down to 0. Divide with /, not //.`;
    return [{ place: where, severity: "warning", code: "lora-zero-scale", message }];
  }
  const alone = alphas.find(({ value }) => isClose(value, factor));
  const divided = alphas.some(({ value }) => isClose(value / rank, factor) || isClose(value / Math.sqrt(rank), factor));
  if (rank === 1 || !alone || divided) return [];
  const here = standIn ? "" : `, ${format(factor)}`;
  const right = standIn ? "alpha / r" : `alpha / r, here ${format(factor)} / ${rank} = ${format(factor / rank)}`;
  const instead = standIn
    ? "Divide by the rank, so that one learning rate works for every rank."
    : `Divide by the rank, or give PEFT a lora_alpha of ${format(factor * rank)}.`;
  return [
    {
      place: where,
      severity: "information",
      code: "lora-alpha-without-rank",
      message: `The low-rank path is scaled by ${alone.name} alone${here}; LoRA and PEFT scale by ${right}. ${instead}`,
    },
  ];
}

/** `scaling = alpha // r` is 0 by mistake. */
function isDerived(name: string, alphas: readonly Scale[], rank: number): boolean {
  return !/alpha/i.test(name) && alphas.some(({ value }) => value > 0 && value < rank);
}

function missing(
  { rank, base, down, up }: LowRankPath,
  model: Model,
  scales: readonly Scale[],
  at: SourcePlace,
  standIn: boolean,
): Problem[] {
  const code = "lora-missing-scale";
  const ofRank = standIn ? "" : ` of rank ${rank}`;
  const [scale] = scales;
  if (scale) {
    // Code may multiply only where it makes a difference: a factor of 1 proves nothing.
    if (scales.some(({ name, value }) => value === (/alpha/i.test(name) ? rank : 1))) return [];
    // Some code scales A's initial values instead.
    const modules = new Set([down, up].flatMap((path) => modulesTo(model.root, path)));
    if ([...modules].some(({ path }) => model.code!.drawsWith(path, SCALE))) return [];
    const value = standIn ? "" : ` is ${format(scale.value)}, but`;
    const message = `${scale.name}${value} ${standIn ? "is stored, but never used" : "never used"}: this low-rank path${ofRank} is added unscaled. Multiply it by alpha / ${standIn ? "r" : rank}, so that one learning rate works for every rank.`;
    return [{ place: at, severity: "warning", code, message }];
  }
  // If the class is only the path, its caller may scale it.
  if (!base) return [];
  const message = `This low-rank path${ofRank} is added unscaled. LoRA scales it by alpha / r, so that one learning rate works for every rank. Multiply the path by alpha / ${standIn ? "r" : rank}, unless alpha is meant to equal r.`;
  return [{ place: at, severity: "information", code, message }];
}

/** Alpha and similar numbers of the modules that contain the factors; the nearest first. */
function scalesOf({ down, up }: LowRankPath, model: Model): Scale[] {
  if (!model.code) return [];
  const modules = new Set([down, up].flatMap((path) => modulesTo(model.root, path).reverse()));
  const found = [...modules].flatMap(({ path }) => model.code!.numbersOf(path));
  return found
    .filter(([name]) => SCALE.test(name) && !/dropout|grad|loss/i.test(name))
    .map(([name, value]) => ({ name, value }));
}

const isClose = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b));

// First values

function initialization(path: LowRankPath, byPath: ReadonlyMap<string, ParameterInfo>, at: SourcePlace): Problem[] {
  const { down, up, factor, gates, biases } = path;
  const [a, b] = [isZero(byPath.get(down)), isZero(byPath.get(up))];
  if (a === undefined || b === undefined || factor === 0) return [];
  // A gate that starts at zero makes the path start there.
  if (!a && gates.some((gate) => isZero(byPath.get(gate)) !== false)) return [];
  const names = `${last(down)} and ${last(up)}`;
  const code = "lora-initialization";
  const severity = "warning";
  if (a && b) {
    const message = `${names} both start at zero, so neither ever gets a gradient and the adapter is never trained. Initialize ${last(down)} with random numbers.`;
    return [{ place: at, severity, code, message }];
  }
  if (a || b) {
    const bias = b ? biases.find((one) => isZero(byPath.get(one)) === false && isOf(one, up)) : undefined;
    if (bias === undefined) return [];
    const message = `${last(up)} starts at zero, but its bias does not, so the adapted layer's output differs from the base layer's before any training. Make the layer with bias=False.`;
    return [{ place: at, severity, code, message }];
  }
  const message = `Neither of ${names} starts at zero, so the adapted layer's output differs from the base layer's before any training. LoRA starts ${last(up)} at zero: nn.init.zeros_ gives that.`;
  return [{ place: at, severity, code, message }];
}

const isOf = (bias: string, weight: string): boolean =>
  bias.slice(0, bias.lastIndexOf(".")) === weight.slice(0, weight.lastIndexOf("."));

function isZero(parameter: ParameterInfo | undefined): boolean | undefined {
  if (!parameter) return undefined;
  const { initializer } = parameter;
  // torch.zeros(r, n) * std is zero, too; what else is computed is not worked out.
  if (initializer.kind === "graph") return [...initializer.graph.outputs.values()].every(isZeroNode) || undefined;
  return initializer.kind === "constant" && initializer.value === 0;
}

function isZeroNode(node: Node): boolean {
  const [a, b] = node.inputs;
  if (is(node, "constant")) return node.attrs.data.every((value) => Number(value) === 0);
  if (is(node, "mul")) return isZeroNode(a!) || isZeroNode(b!);
  return (is(node, "div") || is(node, "cast") || is(node, "expand") || is(node, "reshape")) && isZeroNode(a!);
}

// What trains

function freezing(
  { base, down, up }: LowRankPath,
  model: Model,
  byPath: ReadonlyMap<string, ParameterInfo>,
  at: SourcePlace,
): Problem[] {
  if (!base || base.detached) return [];
  const weight = byPath.get(base.path);
  const trains = [down, up].some((path) => !byPath.get(path)?.frozen);
  if (!weight || weight.buffer || weight.frozen || !trains) return [];
  const code = "lora-not-frozen";
  const meant = modulesTo(model.root, base.path).findLast(({ freezesNothingAt }) => freezesNothingAt);
  if (meant) {
    const message = `This freezes nothing: a Module has no requires_grad, so the assignment only adds an attribute, and the base weights are trained along with the adapter. Call .requires_grad_(False), which freezes its parameters.`;
    return [{ place: meant.freezesNothingAt!, severity: "warning", code, message }];
  }
  if (model.code?.trains() === "chosen") return [];
  const message = `${base.path}, the weight beside this low-rank path, is trained as well, because nothing freezes it. This is full fine-tuning and needs as much memory. Set its requires_grad to False.`;
  return [{ place: at, severity: "warning", code, message }];
}

/** Adapter parameters that no output depends on. Without a path in the graph, names are all there is to go by. */
function unused(model: Model, graph: Graph): Problem[] {
  const used = new Set(graph.parameters.map((p) => p.attrs.path));
  // An adapter that is switched off now is used where it is switched on.
  const holder = (path: string) => modulesTo(model.root, path).findLast(({ builtin }) => !builtin) ?? model.root;
  const isFor = (path: string) => model.code?.isStraight(holder(path).path) !== false;
  const idle = model.stateDict.filter(
    ({ path, buffer, tiedTo, shape }) =>
      !buffer && tiedTo === undefined && shape.length === 2 && /lora/i.test(path) && !used.has(path) && isFor(path),
  );
  if (idle.length === 0) return [];
  const named = idle.slice(0, 4).map((p) => p.path);
  const more = idle.length > named.length ? ` and ${idle.length - named.length} more` : "";
  return [
    {
      place: placeOf(model, idle[0]!.path),
      severity: "warning",
      code: "lora-unused",
      message: `${named.join(", ")}${more}: no output of ${model.className} depends on ${idle.length === 1 ? "it" : "them"}, so this adapter is never trained. Add its path to the layer's output in forward.`,
    },
  ];
}

/** Where the module that holds the parameter is constructed. */
function placeOf(model: Model, path: string): SourcePlace {
  const found = modulesTo(model.root, path).at(-1)!;
  const { place } = found;
  return found === model.root
    ? { ...place, endLine: place.line, endColumn: place.column + `class ${found.kind}`.length }
    : place;
}

/** The end of the path that tells it from others: `lora.0.weight`, `fc.lora_A`. */
function last(path: string): string {
  const parts = path.split(".");
  return parts.slice(/^\d+$/.test(parts.at(-2) ?? "") ? -3 : -2).join(".");
}

const format = (value: number): string => String(Number(value.toPrecision(6)));
