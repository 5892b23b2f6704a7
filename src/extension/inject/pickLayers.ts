import { Disposable, type QuickInputButton, type QuickPickItem, ThemeIcon, window } from "vscode";
import type { TargetChoice } from "../../protocol/messages";
import { type Frame, type Outcome, show } from "../dialogs/steps";
import { lineText } from "../modelFile";
import { keyOf, type LayerChoice, type Row } from "./layerGroups";

export interface PickLayersOptions {
  /** Changed in place. */
  readonly choice: LayerChoice<TargetChoice>;
  /** The title, which has the running total. */
  readonly title: () => string;
}

interface RowItem extends QuickPickItem {
  readonly row: Row<TargetChoice>;
}

const count = (n: number) => n.toLocaleString("en-US");

/** Puts the layers of an open group under its row: spaces at the start of a label are not drawn. */
const INDENT = "\u2003";

const TOGGLE_ALL: QuickInputButton = {
  iconPath: new ThemeIcon("list-tree"),
  tooltip: "Show every layer, or the groups alone",
};

/** One step: a list of layers in groups, with checks. Accepts at least one layer. */
export function pickLayers(frame: Frame, { choice, title }: PickLayersOptions): Promise<Outcome> {
  const pick = Object.assign(window.createQuickPick<RowItem>(), frame);
  pick.placeholder = "Layers to adapt; a group stands for all of its layers";
  pick.canSelectMany = true;
  pick.matchOnDescription = true;
  pick.keepScrollPosition = true;
  let drawn = "";

  const draw = () => {
    pick.title = title();
    const rows = choice.rows();
    const items = rows.map(itemOf);
    // Setting the items moves the focus, so that it is done where a row looks different only.
    const look = JSON.stringify(items.map(({ label, description }) => [label, description]));
    const fresh = look !== drawn;
    if (fresh) {
      const active = pick.activeItems[0];
      drawn = look;
      pick.items = items;
      const again = active && items.find(({ row }) => keyOf(row) === keyOf(active.row));
      if (again) pick.activeItems = [again];
    }
    const checked = new Set(rows.filter((row) => row.checked).map(keyOf));
    // What the list shows already is not set: it would undo a check that is on its way here.
    const shown = new Set(pick.selectedItems.map(({ row }) => keyOf(row)));
    if (fresh || shown.size !== checked.size || [...checked].some((key) => !shown.has(key))) {
      pick.selectedItems = pick.items.filter(({ row }) => checked.has(keyOf(row)));
    }
  };
  draw();
  return show(
    pick,
    frame,
    (accepted) =>
      Disposable.from(
        pick.onDidChangeSelection((selected) => {
          const checked = new Set(selected.map(({ row }) => keyOf(row)));
          const rows = pick.items.map(({ row }) => row);
          // What is set here is told of as well, and changes nothing.
          if (choice.check(rows, checked)) draw();
        }),
        pick.onDidTriggerItemButton(({ item: { row } }) => {
          if (row.kind === "group") choice.toggle(row.group);
          draw();
        }),
        pick.onDidTriggerButton((button) => {
          if (button !== TOGGLE_ALL) return;
          choice.toggleAll();
          draw();
        }),
        pick.onDidAccept(() => {
          if (choice.selected.length > 0) accepted();
          else pick.placeholder = "Check at least one";
        }),
      ),
    choice.isGrouped ? [TOGGLE_ALL] : [],
  );
}

function itemOf(row: Row<TargetChoice>): RowItem {
  if (row.kind === "layer") {
    const { layer, within } = row;
    const { inFeatures, outFeatures, lora } = layer;
    return {
      row,
      label: within ? INDENT + layer.path : layer.path,
      description: `${sizes(inFeatures, outFeatures)} · ${count(lora)} trainable · ${lineText(layer)}`,
    };
  }
  const { pattern, layers } = row.group;
  const [first] = layers;
  const { inFeatures, outFeatures } = first!;
  const trainable = layers.reduce((sum, { lora }) => sum + lora, 0);
  const some = row.chosen > 0 && !row.checked ? ` · ${count(row.chosen)} of ${count(layers.length)} checked` : "";
  const lines = [...new Set(layers.map(lineText))];
  return {
    row,
    label: `${pattern} × ${count(layers.length)}`,
    description: `${sizes(inFeatures, outFeatures)}${some} · ${count(trainable)} trainable${lines.length === 1 ? ` · ${lines[0]}` : ""}`,
    buttons: [
      row.open
        ? { iconPath: new ThemeIcon("chevron-down"), tooltip: "Hide its layers" }
        : { iconPath: new ThemeIcon("chevron-right"), tooltip: `Show its ${count(layers.length)} layers` },
    ],
  };
}

function sizes(inFeatures: number, outFeatures: number): string {
  return `${count(inFeatures)} → ${count(outFeatures)}`;
}
