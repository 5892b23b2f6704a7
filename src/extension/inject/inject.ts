import { isAbsolute, join } from "node:path";
import { commands, Uri, window } from "vscode";
import { COMMANDS, type LensTarget } from "../../protocol/commands";
import { ADAPTER_CONFIG_FILE, type GivenConfig } from "../../protocol/lora";
import { InjectRequest, TargetsRequest } from "../../protocol/messages";
import type { InjectionSummary } from "../../protocol/reports";
import { type CommandContext, requireTrust, savedAdapter } from "../context";
import { type Checked, inputText, pickMany, runSteps } from "../dialogs/steps";
import { defaultAdapter } from "../jobs/report";
import { chooseModel, lineText } from "../modelFile";
import { readSettings } from "../settings";

const count = (n: number) => n.toLocaleString("en-US");

/** Asks for layers, rank, alpha and folder; keeps the choice in an adapter_config.json and shows what it costs. */
export async function inject(context: CommandContext, argument: unknown): Promise<void> {
  const { client, memory } = context;
  const model = await chooseModel(client, argument);
  if (!model) return;
  requireTrust("Keeping an adapter's choice in a file");
  const saved = await savedAdapter(context, model);
  const at = { uri: model.uri.toString(), class: model.class };
  // What the file says of anything that is not asked for here stays as it is.
  const kept: GivenConfig = saved?.adapter ?? defaultAdapter();
  const choice = { ...kept, r: kept.r ?? readSettings().rank, lora_alpha: kept.lora_alpha ?? readSettings().alpha };
  let folder = memory.adapterFolder(model);

  const { layers } = await client.request(TargetsRequest, { ...at, adapter: choice });
  const items = layers.map((layer) => ({
    label: layer.path,
    description: `${count(layer.inFeatures)} → ${count(layer.outFeatures)} · ${count(layer.lora)} trainable · ${lineText(layer)}`,
    picked: layer.selected,
    layer,
  }));
  let chosen = items.filter((item) => item.picked);

  const checkRank = async (text: string): Promise<Checked> => {
    const rank = Number(text);
    if (!/^\d+$/.test(text) || rank < 1) return { error: "The rank is a whole number from 1" };
    const paths = new Set(chosen.map(({ layer }) => layer.path));
    const priced = await client.request(TargetsRequest, { ...at, adapter: { ...choice, r: rank } });
    const costs = priced.layers.filter(({ path }) => paths.has(path));
    const trainable = costs.reduce((sum, { lora }) => sum + lora, 0);
    const full = costs.reduce((sum, cost) => sum + cost.full, 0);
    const above = costs.find(({ inFeatures, outFeatures }) => rank > Math.min(inFeatures, outFeatures));
    const beyond = above
      ? `; a rank above ${count(Math.min(above.inFeatures, above.outFeatures))} adds nothing to ${above.path}`
      : "";
    return {
      says: `${count(trainable)} trainable, in place of the ${count(full)} that the chosen layers have${beyond}`,
    };
  };
  const checkAlpha = async (text: string): Promise<Checked> => {
    const alpha = Number(text);
    if (text === "" || !Number.isFinite(alpha)) return { error: "Alpha is a number" };
    const { scaling } = await client.request(TargetsRequest, { ...at, adapter: { ...choice, lora_alpha: alpha } });
    const how = choice.use_rslora ? "alpha / √rank" : "alpha / rank";
    return { says: `scale ${Number(scaling.toPrecision(4))} (${how}); usual are 1 and 2` };
  };
  const checkFolder = (text: string): Checked =>
    isAbsolute(text) ? { says: `writes ${join(text, ADAPTER_CONFIG_FILE)}` } : { error: "Give an absolute path" };

  const finished = await runSteps(`Inject LoRA into ${model.class}`, [
    (frame) =>
      pickMany(frame, {
        placeholder: "Layers to adapt",
        items,
        selected: chosen,
        accept: (picked) => {
          chosen = [...picked];
        },
      }),
    (frame) =>
      inputText(frame, {
        prompt: "Rank",
        value: String(choice.r),
        check: checkRank,
        accept: (text) => {
          choice.r = Number(text);
        },
      }),
    (frame) =>
      inputText(frame, {
        prompt: "Alpha",
        value: String(choice.lora_alpha),
        check: checkAlpha,
        accept: (text) => {
          choice.lora_alpha = Number(text);
        },
      }),
    (frame) =>
      inputText(frame, {
        prompt: "Folder of the adapter",
        value: folder,
        check: checkFolder,
        accept: (text) => {
          folder = text;
        },
      }),
  ]);
  if (!finished) return;

  const saveTo = join(folder, ADAPTER_CONFIG_FILE);
  const summary = await client.request(InjectRequest, {
    model: { file: model.file, class: model.class },
    adapter: choice,
    layers: chosen.map(({ layer }) => layer.path),
    saveTo,
  });
  await memory.add(model, { adapterFolder: folder });
  await tell(summary, saveTo, at);
}

/** In the words of PEFT's print_trainable_parameters, with what to do next. */
async function tell(summary: InjectionSummary, saveTo: string, target: LensTarget): Promise<void> {
  const message = [
    `${summary.model}: trainable params: ${count(summary.trainable)}`,
    `all params: ${count(summary.total)}`,
    `trainable%: ${summary.percent.toFixed(4)}`,
    `LoRA on ${summary.targets.length} layers, r=${summary.rank}, scale ${Number(summary.scaling.toPrecision(4))}`,
  ].join(" · ");
  const warnings = summary.warnings ?? [];
  const show = warnings.length > 0 ? window.showWarningMessage : window.showInformationMessage;
  const next = await show([message, ...warnings].join(". "), "Open Config", "Verify", "Train…");
  if (next === "Open Config") await window.showTextDocument(Uri.file(saveTo));
  if (next === "Verify") await commands.executeCommand(COMMANDS.verify, target);
  if (next === "Train…") await commands.executeCommand(COMMANDS.train, target);
}
