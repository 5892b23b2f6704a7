import type { SourcePlace } from "../../../graph/node";
import type { LayerWeight, ModuleInfo } from "../../model";

/**
 * Descriptions of modules that are as another is, but for their paths. What is in one is made whenever it is asked for
 * and not kept: a model of many experts has a hundred thousand of them.
 */

export const join = (prefix: string, name: string): string => (prefix ? `${prefix}.${name}` : name);

const below = (prefix: string, path: string): string => (path === "" ? prefix : join(prefix, path));

/** What a copy has of its own. */
type Own = Pick<ModuleInfo, "place" | "aliases" | "fusedInEvaluation">;

/** `like`, whose paths start from itself or from what it is part of, with all in it below `prefix`. */
export class Repeated implements ModuleInfo {
  readonly path: string;
  readonly kind: string;
  readonly place: SourcePlace;
  readonly builtin: boolean;
  readonly parameters: number | undefined;
  declare readonly inFeatures?: number;
  declare readonly outFeatures?: number;
  declare readonly bias?: boolean;
  declare readonly weight?: LayerWeight;
  declare readonly marked?: true;
  declare readonly neverCalled?: true;
  declare readonly fusedInEvaluation?: true;
  declare readonly base?: string;
  declare readonly aliases?: readonly string[];

  constructor(
    readonly like: ModuleInfo,
    readonly prefix: string,
    own: Own = like,
  ) {
    const { weight, aliases } = like;
    this.path = below(prefix, like.path);
    this.kind = like.kind;
    this.place = own.place;
    this.builtin = like.builtin;
    this.parameters = like.parameters;
    if (like.inFeatures !== undefined) this.inFeatures = like.inFeatures;
    if (like.outFeatures !== undefined) this.outFeatures = like.outFeatures;
    if (like.bias !== undefined) this.bias = like.bias;
    if (weight) this.weight = { ...weight, path: below(prefix, weight.path) };
    if (like.marked) this.marked = like.marked;
    if (like.neverCalled) this.neverCalled = like.neverCalled;
    if (own.fusedInEvaluation) this.fusedInEvaluation = own.fusedInEvaluation;
    if (like.base !== undefined) this.base = like.base;
    if (own !== like && own.aliases) this.aliases = own.aliases;
    else if (aliases && aliases.length > 0) this.aliases = aliases.map((alias) => below(prefix, alias));
    else if (aliases) this.aliases = aliases;
  }

  get children(): readonly ModuleInfo[] {
    const { children } = this.like;
    return children.length === 0 ? children : children.map((child) => new Repeated(child, this.prefix));
  }
}

/** The tree with another place for each module. */
export function movedTree(
  module: ModuleInfo,
  move: (place: SourcePlace) => SourcePlace,
  known = new Map<ModuleInfo, ModuleInfo>(),
): ModuleInfo {
  const place = move(module.place);
  if (!(module instanceof Repeated)) {
    const { freezesNothingAt } = module;
    const own = { place, ...(freezesNothingAt && { freezesNothingAt: move(freezesNothingAt) }) };
    return { ...module, ...own, children: module.children.map((child) => movedTree(child, move, known)) };
  }
  const { like, prefix, aliases, fusedInEvaluation } = module;
  const moved = known.get(like) ?? movedTree(like, move, known);
  known.set(like, moved);
  return new Repeated(moved, prefix, {
    place,
    ...(aliases && { aliases }),
    ...(fusedInEvaluation && { fusedInEvaluation }),
  });
}
