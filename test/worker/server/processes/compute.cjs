/** Stands in for the compute process: what it does is told by the class name of the job's model. */
const heard = [];
process.on("message", (command) => {
  heard.push(command.type);
  if (command.type === "engines") return answer({ type: "engines", engines: [] });
  if (command.type === "stop") return answer({ type: "result", report: { kind: "train", stopped: true } });
  if (command.type === "cancel" && behavior === "polite")
    return answer({ type: "error", error: { message: "aborted", defect: false } });
  if (command.type !== "start") return;
  behavior = command.job.model.class;
  switch (behavior) {
    case "answer":
      process.send({ type: "progress", progress: { message: "half", fraction: 0.5 } });
      return answer({ type: "result", report: { kind: command.job.kind, text: command.job.model.text } });
    case "fail":
      return answer({ type: "error", error: { message: "no such column", file: "data.csv", line: 1, defect: false } });
    case "exit":
      process.stderr.write("first line\nout of luck\n");
      return process.exit(7);
    case "killed":
      return process.kill(process.pid, "SIGKILL");
    case "abort":
      return process.kill(process.pid, "SIGABRT");
    case "stubborn":
      process.on("SIGTERM", () => process.send({ type: "progress", progress: { message: "SIGTERM", fraction: 0 } }));
  }
  process.send({ type: "progress", progress: { message: `running as ${process.pid}`, fraction: 0 } });
});
let behavior;

function answer(event) {
  process.send(event, () => process.exit(0));
}
