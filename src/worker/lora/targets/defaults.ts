import { UserError } from "../../formats/errors";
import { type Model, type ModuleInfo, walkModules } from "../../readers/model";
import { isTargetable, outputHead, type TargetableLayer } from "./targets";
import type { LayerUse } from "./uses";

/** The layers that are adapted by default: the linear layers that are called, except the output head. */
export interface DefaultTargets {
  readonly layers: readonly TargetableLayer[];
  readonly leftOut: readonly LeftOut[];
}

export interface LeftOut {
  readonly path: string;
  /** Completes "fc2 is left out: ...". */
  readonly why: string;
}

export const OUTPUT_HEAD = "the output head";
const NEVER_CALLED = "it is never called; only its weight is read";

/**
 * Whether the layer's weight is used without a call. A layer that one trace does not reach does not count, since
 * another may.
 */
export function isOnlyRead({ neverCalled }: ModuleInfo, use: LayerUse | undefined): boolean {
  return use ? use.used && !use.called : neverCalled === true;
}

/** Completes "fc2 is left out: ...". */
export function whyUncalled({ aliases = [] }: ModuleInfo): string {
  return aliases.length > 0 ? `it is called only by its other name ${aliases.join(", ")}` : NEVER_CALLED;
}

/** `uses` if the model has been traced; layers known to be uncalled without a trace are always left out. */
export function defaultTargets(
  model: Pick<Model, "root" | "part" | "pretrained">,
  uses: ReadonlyMap<string, LayerUse> | undefined,
): DefaultTargets {
  const modules = [...walkModules(model.root)];
  const head = outputHead(model, modules);
  const layers: TargetableLayer[] = [];
  const leftOut: LeftOut[] = [];
  for (const layer of modules.filter(isTargetable)) {
    if (isOnlyRead(layer, uses?.get(layer.path))) leftOut.push({ path: layer.path, why: whyUncalled(layer) });
    else if (layer.path === head?.path) leftOut.push({ path: layer.path, why: OUTPUT_HEAD });
    else layers.push(layer);
  }
  return { layers, leftOut };
}

const NAMED = 8;

/** "fc2 (the output head)": one text for each reason. */
export function leftOutTexts(leftOut: readonly LeftOut[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { path, why } of leftOut) byReason.set(why, [...(byReason.get(why) ?? []), path]);
  return [...byReason].map(([why, paths]) => {
    const more = paths.length > NAMED ? ` and ${paths.length - NAMED} more` : "";
    return `${paths.slice(0, NAMED).join(", ")}${more} (${why})`;
  });
}

/** Throws a UserError when every layer is left out. */
export function requireSome({ layers, leftOut }: DefaultTargets, { className, file }: Model): void {
  if (layers.length > 0 || leftOut.length === 0) return;
  throw new UserError(
    `no linear layer of ${className} is adapted by default; name the layers in the target modules. Left out are ${leftOutTexts(leftOut).join("; ")}`,
    { file },
  );
}
