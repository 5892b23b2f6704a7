import { join } from "node:path";
import { commands, Uri, window } from "vscode";
import { COMMANDS, type LensTarget } from "../../protocol/commands";
import { ADAPTER_CONFIG_FILE, type GivenConfig } from "../../protocol/lora";
import { type InjectParams, InjectRequest, TargetsRequest } from "../../protocol/messages";
import type { InjectionSummary } from "../../protocol/reports";
import { type CommandContext, requireTrust, savedAdapter } from "../context";
import { type Checked, inputText, runSteps } from "../dialogs/steps";
import { messageOf, Notice } from "../errors";
import { defaultAdapter } from "../jobs/report";
import { type ChosenModel, chooseModel } from "../modelFile";
import { readSettings } from "../settings";
import { parseDropout } from "./answers";
import { LayerChoice } from "./layerGroups";
import { pickLayers } from "./pickLayers";
import { type WriteChoice, writeStep } from "./writeStep";
import { WrittenFile } from "./writtenFile";

const count = (n: number) => n.toLocaleString("en-US");
const layersText = (n: number) => `${count(n)} ${n === 1 ? "layer" : "layers"}`;
const scaleText = (scaling: number) => `scale ${Number(scaling.toPrecision(4))}`;

/** Asks for layers, rank, alpha, dropout and folder; keeps the choice in an adapter_config.json and shows what it costs. */
export async function inject(context: CommandContext, argument: unknown): Promise<void> {
  const { client, memory } = context;
  const model = await chooseModel(client, argument);
  if (!model) return;
  requireTrust("Keeping an adapter's choice in a file");
  const saved = await savedAdapter(context, model);
  const at = { uri: model.uri.toString(), class: model.class };
  // What the file says of anything that is not asked for here stays as it is.
  const kept: GivenConfig = saved?.adapter ?? defaultAdapter();
  const choice = {
    ...kept,
    r: kept.r ?? readSettings().rank,
    lora_alpha: kept.lora_alpha ?? readSettings().alpha,
    lora_dropout: kept.lora_dropout ?? 0,
  };
  const write: WriteChoice = {
    folder: memory.adapterFolder(model),
    exclude: kept.exclude_modules ?? null,
    rslora: kept.use_rslora ?? false,
  };
  const configured = (): GivenConfig => ({ ...choice, use_rslora: write.rslora });

  const { layers } = await client.request(TargetsRequest, { ...at, adapter: configured() });
  const chosen = new LayerChoice(
    layers,
    layers.filter(({ selected }) => selected),
  );
  const pricedAt = choice.r;
  const title = () => {
    const { layers: checked, of, trainable } = chosen.total;
    return `${model.class}: ${count(checked)} of ${layersText(of)} · ${count(trainable)} trainable at rank ${pricedAt}`;
  };

  const checkRank = async (text: string): Promise<Checked> => {
    const rank = Number(text);
    if (!/^\d+$/.test(text) || rank < 1) return { error: "The rank must be a whole number, 1 or more" };
    const paths = new Set(chosen.selected.map(({ path }) => path));
    const priced = await client.request(TargetsRequest, { ...at, adapter: { ...configured(), r: rank } });
    const costs = priced.layers.filter(({ path }) => paths.has(path));
    const trainable = costs.reduce((sum, { lora }) => sum + lora, 0);
    const full = costs.reduce((sum, cost) => sum + cost.full, 0);
    const above = costs.find(({ inFeatures, outFeatures }) => rank > Math.min(inFeatures, outFeatures));
    const beyond = above
      ? `; a rank above ${count(Math.min(above.inFeatures, above.outFeatures))} adds nothing to ${above.path}`
      : "";
    return {
      says: `${count(trainable)} trainable, instead of the ${count(full)} of the chosen layers${beyond}`,
    };
  };
  const checkAlpha = async (text: string): Promise<Checked> => {
    const alpha = Number(text);
    if (text === "" || !Number.isFinite(alpha)) return { error: "Alpha must be a number" };
    const { scaling } = await client.request(TargetsRequest, {
      ...at,
      adapter: { ...configured(), lora_alpha: alpha },
    });
    const how = write.rslora ? "alpha / √rank" : "alpha / rank";
    return { says: `${scaleText(scaling)} (${how}); usually 1 or 2` };
  };
  const params = (): InjectParams => ({
    model: { file: model.file, class: model.class },
    adapter: configured(),
    layers: chosen.selected.map(({ path }) => path),
    ...(write.exclude !== null && { exclude: write.exclude }),
  });
  const preview = async (): Promise<Checked> => {
    try {
      const summary = await client.request(InjectRequest, params());
      const excluded = chosen.selected.length - summary.targets.length;
      const left = excluded > 0 ? `, ${count(excluded)} of the checked ones excluded` : "";
      return {
        says: `${layersText(summary.targets.length)}${left} · ${count(summary.trainable)} trainable (${summary.percent.toFixed(4)} %) · ${scaleText(summary.scaling)} · dropout ${summary.dropout}`,
      };
    } catch (error) {
      return { error: messageOf(error) };
    }
  };

  const finished = await runSteps(`Inject LoRA into ${model.class}`, [
    (frame) => pickLayers(frame, { choice: chosen, title }),
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
        prompt: "Dropout",
        value: String(choice.lora_dropout),
        check: (text) => {
          const parsed = parseDropout(text);
          if ("error" in parsed) return parsed;
          return { says: "the part of an adapter's input that training sets to zero; 0 to 0.1 is usual" };
        },
        accept: (text) => {
          const parsed = parseDropout(text);
          if ("value" in parsed) choice.lora_dropout = parsed.value;
        },
      }),
    (frame) => writeStep(frame, write, preview),
  ]);
  if (!finished) return;

  const saveTo = join(write.folder, ADAPTER_CONFIG_FILE);
  const file = await WrittenFile.before(saveTo);
  const summary = await client.request(InjectRequest, { ...params(), saveTo });
  await file.done();
  const before = memory.of(model).adapterFolder;
  await memory.add(model, { adapterFolder: write.folder });
  await tell(context, summary, { model, at, saveTo, file, before });
}

/** What was done, and what it takes to undo it. */
interface Done {
  readonly model: ChosenModel;
  readonly at: LensTarget;
  readonly saveTo: string;
  readonly file: WrittenFile;
  /** The folder that the model's adapter was kept in before. */
  readonly before: string | undefined;
}

/** The counts that PEFT's print_trainable_parameters gives, with what to do next. */
async function tell(context: CommandContext, summary: InjectionSummary, done: Done): Promise<void> {
  const { targets, baseParameters, trainable, total, percent, rank, scaling, warnings = [] } = summary;
  const message = [
    `${summary.model}: LoRA on ${layersText(targets.length)}`,
    `original params: ${count(baseParameters)}`,
    `trainable params: ${count(trainable)}`,
    `all params: ${count(total)}`,
    `trainable%: ${percent.toFixed(4)}`,
    `r=${rank}, ${scaleText(scaling)}`,
  ].join(" · ");
  const show = warnings.length > 0 ? window.showWarningMessage : window.showInformationMessage;
  const next = await show([message, ...warnings].join(". "), "Open Config", "Verify", "Train…", "Undo");
  if (next === "Undo") await undo(context, done);
  if (next === "Open Config") await window.showTextDocument(Uri.file(done.saveTo));
  if (next === "Verify") await commands.executeCommand(COMMANDS.verify, done.at);
  if (next === "Train…") await commands.executeCommand(COMMANDS.train, done.at);
}

async function undo({ memory }: CommandContext, { model, saveTo, file, before }: Done): Promise<void> {
  const outcome = await file.undo();
  if (outcome === "changed") throw new Notice(`${saveTo} has changed since it was written, so it stays as it is`);
  await memory.add(model, { adapterFolder: before });
  const what = outcome === "restored" ? `${saveTo} is as it was before` : `removed ${saveTo}`;
  void window.showInformationMessage(`LoRA Lens: ${what}.`);
}
