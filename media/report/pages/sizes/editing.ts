import type { LayerSize, SizesQuestion, SizesReport } from "../../../../src/protocol/reports/sizes";
import { button, dropdown, textField } from "../../controls";
import { element } from "../../dom";
import type { Host } from "../../host";
import { sizeText } from "./names";

export interface Editing {
  readonly element: HTMLElement;
  update(report: SizesReport): void;
}

/** Adds and removes sizes and ranks. The worker counts: each change asks for a new report. */
export function editing(first: SizesReport, host: Host): Editing {
  let report = first;
  const said = element("p", { class: "hint", role: "status" });
  const ask = (change: Partial<SizesQuestion>, words: string) => {
    said.textContent = words;
    const question: SizesQuestion = {
      sizes: report.sizes.map(asked),
      ranks: report.ranks.map(({ rank }) => rank),
      ...change,
    };
    host.post({ type: "compareSizes", question });
  };

  const sizes = element("ul", { class: "chips", "aria-label": "Sizes" });
  const ranks = element("ul", { class: "chips", "aria-label": "Ranks" });
  const fill = () => {
    const focused = [sizes, ranks].map((list) => [...list.children].findIndex((one) => one.matches(":focus-within")));
    sizes.replaceChildren(
      ...report.sizes.map((size, index) =>
        chip(sizeText(size), report.sizes.length > 1, () =>
          ask({ sizes: report.sizes.filter((_, at) => at !== index).map(asked) }, `Removing ${sizeText(size)}`),
        ),
      ),
    );
    ranks.replaceChildren(
      ...report.ranks.map(({ rank }, index) =>
        chip(`rank ${rank}`, report.ranks.length > 1, () =>
          ask({ ranks: report.ranks.filter((_, at) => at !== index).map((one) => one.rank) }, `Removing rank ${rank}`),
        ),
      ),
    );
    // Who removes by the keyboard goes on where the removed one was.
    [sizes, ranks].forEach((list, index) => {
      const at = Math.min(focused[index]!, list.children.length - 1);
      if (at >= 0) list.children[at]?.querySelector("button")?.focus();
    });
  };
  fill();

  const addSize = adder("Size, such as 768x3072", "Add size", (text) => {
    const [, inFeatures, outFeatures] = /^\s*(\d+)\s*[x×*,→ ]\s*(\d+)\s*$/i.exec(text) ?? [];
    if (inFeatures === undefined) {
      said.textContent = `"${text}" is no size: give inputs and outputs, such as 768x3072.`;
      return false;
    }
    const size: LayerSize = { inFeatures: Number(inFeatures), outFeatures: Number(outFeatures) };
    ask({ sizes: [...report.sizes.map(asked), size] }, `Adding ${text.trim()}`);
    return true;
  });
  const addRank = adder("Rank, such as 128", "Add rank", (text) => {
    if (!/^\s*\d+\s*$/.test(text)) {
      said.textContent = `"${text}" is no rank: give a whole number of 1 or more.`;
      return false;
    }
    ask({ ranks: [...report.ranks.map(({ rank }) => rank), Number(text)] }, `Adding rank ${text.trim()}`);
    return true;
  });
  let known = report.known[0]?.id ?? "";
  const addKnown = element(
    "div",
    { class: "controls" },
    dropdown(
      "Known model",
      report.known.map(({ id, title }) => ({ value: id, text: title })),
      known,
      (id) => {
        known = id;
      },
    ),
    button("Add its sizes", () => ask({ known: [known] }, `Adding the sizes of ${known}`), "secondary"),
    button(
      "Add the sizes of the open model",
      () => ask({ openModel: true }, "Adding the sizes of the open model"),
      "secondary",
    ),
  );

  return {
    element: element(
      "details",
      { class: "editing", open: true },
      element("summary", {}, "Sizes and ranks to compare"),
      sizes,
      element("div", { class: "adders" }, addSize, addKnown),
      ranks,
      addRank,
      said,
    ),
    update: (next) => {
      report = next;
      said.textContent = "";
      fill();
    },
  };
}

function chip(text: string, removable: boolean, remove: () => void): HTMLElement {
  const press = element("button", { type: "button", class: "remove", "aria-label": `Remove ${text}` }, "✕");
  press.addEventListener("click", remove);
  return element("li", {}, text, removable && press);
}

/** A field with a button; Enter in the field presses it. */
function adder(label: string, words: string, add: (text: string) => boolean): HTMLElement {
  let text = "";
  const field = textField(label, "", (typed) => {
    text = typed;
  }) as HTMLElement & { value: string };
  const press = () => {
    if (!add(text)) return;
    text = "";
    field.value = "";
  };
  field.addEventListener("keydown", ({ key }) => {
    if (key === "Enter") press();
  });
  return element("div", { class: "controls" }, field, button(words, press, "secondary"));
}

function asked({ name, inFeatures, outFeatures, bias, layers }: SizesReport["sizes"][number]): LayerSize {
  return {
    inFeatures,
    outFeatures,
    bias,
    ...(name !== null && { name }),
    ...(layers !== null && { layers }),
  };
}
