import type { PanelState } from "../../src/protocol/panel";
import type { EpochResult, TrainProgress } from "../../src/protocol/reports";
import { type Chart, chart } from "./charts";
import { button, disable, progressRing } from "./controls";
import { element, facts, section } from "./dom";
import { count, duration, share } from "./format";
import type { Host, View } from "./host";
import { runsTable } from "./pages/sweep/runs";
import { epochTable, lossChart } from "./pages/train/curve";

/** Drawing the curve costs the editor's window time that typing needs, and small models end many epochs a second. */
const REDRAW_MS = 250;

type Running = Extract<PanelState, { type: "running" }>;

/** A job under way; with training's own numbers and curve when it trains. Updated in place, so that focus stays. */
export function runningPage(first: Running, host: Host): View {
  const ring = progressRing(first.title);
  const message = element("p", { class: "message", role: "status", "aria-live": "polite" });
  const bar = element("progress", { max: 1, "aria-label": first.title });
  const numbers = element("div", {});
  const results = element("div", {});
  const curve = element("div", {});
  const stop = button("Stop", () => {
    host.post({ type: "stop" });
    disable(stop, "Stopping…");
  });
  let drawn: Chart | undefined;
  const validations = new Map<number, EpochResult>();

  let latest = first;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const draw = () => {
    timer = undefined;
    drawnAt = performance.now();
    const { progress, losses } = latest;
    message.textContent = progress.message;
    bar.value = progress.fraction;
    const { training } = progress;
    numbers.replaceChildren(
      facts(training ? trainingFacts(training) : plainFacts(progress.fraction, progress.secondsLeft)),
    );
    const { sweep } = progress;
    if (sweep && sweep.length > 0) results.replaceChildren(section("Finished ranks", runsTable(sweep, null)));
    if (validations.size > 0) {
      results.replaceChildren(section("Validation", epochTable([...validations.values()])));
    }
    if (losses.length > 0) {
      if (!drawn) {
        drawn = chart(lossChart(losses));
        curve.replaceChildren(drawn.element);
      } else drawn.update(lossChart(losses));
    }
  };
  const show = (state: Running) => {
    latest = state;
    const validation = state.progress.training?.validation;
    if (validation) validations.set(validation.epoch, validation);
    const wait = drawnAt + REDRAW_MS - performance.now();
    if (wait <= 0) {
      clearTimeout(timer);
      draw();
    } else timer ??= setTimeout(draw, wait);
  };
  show(first);
  return {
    element: element(
      "main",
      {},
      element(
        "header",
        {},
        element("div", { class: "busy" }, ring, element("h1", {}, first.title)),
        element("div", { class: "actions" }, stop),
      ),
      message,
      bar,
      numbers,
      curve,
      results,
    ),
    update: (state) => {
      if (state.type !== "running" || state.title !== first.title) return false;
      show(state);
      return true;
    },
    dispose: () => {
      clearTimeout(timer);
      drawn?.dispose();
    },
  };
}

function plainFacts(fraction: number, secondsLeft: number | undefined) {
  const done = { label: "Done", value: share(fraction) };
  return secondsLeft === undefined ? [done] : [done, { label: "Time left", value: duration(secondsLeft) }];
}

function trainingFacts({ step, steps, epoch, epochs, samplesPerSecond, secondsLeft }: TrainProgress) {
  return [
    { label: "Step", value: `${count(step)} of ${count(steps)}` },
    { label: "Epoch", value: `${count(epoch)} of ${count(epochs)}` },
    { label: "Speed", value: `${count(samplesPerSecond)} samples/s` },
    { label: "Time left", value: duration(secondsLeft) },
  ];
}
