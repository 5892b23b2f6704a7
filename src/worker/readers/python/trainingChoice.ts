import type { Stmt } from "./ast";
import type { Environment } from "./environment/environment";
import type { Evaluator } from "./evaluator";
import { choosesWhatTrains, type TrainingCode, trainingCode } from "./trainedChoice";
import { namesMentionedBy } from "./walk";

/** Files looked into that use a class. */
const MAX_FILES = 8;

/** Whether the code of a file, and of those of its project that use it, chooses which parameters train. */
export class TrainingChoice {
  private readonly answers = new Map<string, "all" | "chosen">();
  private readonly users = new Map<string, readonly string[]>();
  private readonly read = new Map<string, TrainingCode | undefined>();
  private own: TrainingCode | undefined;

  constructor(
    private readonly ev: Evaluator,
    private readonly body: readonly Stmt[],
    private readonly environment: Environment,
  ) {}

  /** Of the models that have something of the class, or that the function changes. */
  of(name: string): "all" | "chosen" {
    let answer = this.answers.get(name);
    if (!answer) {
      const files = [this.main(), ...this.usersOf(name).flatMap((file) => this.codeOf(file) ?? [])];
      const isCalledElsewhere = (fn: string) => this.environment.callers(this.ev.main.file, fn).length > 0;
      answer = choosesWhatTrains(files, isCalledElsewhere) ? "chosen" : "all";
      this.answers.set(name, answer);
    }
    return answer;
  }

  /** Whether another file of the project uses it. */
  isUsed(name: string): boolean {
    return this.usersOf(name).length > 0;
  }

  /** Files that call the name, or a function or class of this file that leads to it. */
  private usersOf(name: string): readonly string[] {
    let users = this.users.get(name);
    if (!users) {
      const { environment, ev, body } = this;
      const leading = [name, ...leadingTo(name, body)];
      users = [...new Set(leading.flatMap((each) => environment.callers(ev.main.file, each)))].slice(0, MAX_FILES);
      this.users.set(name, users);
    }
    return users;
  }

  private main(): TrainingCode {
    const { ev } = this;
    const lines = new Set([...ev.freezesNothing.values()].map(({ cell, line }) => `${cell}:${line}`));
    this.own ??= trainingCode(this.body, (statement) => {
      const { cell, line } = ev.main.place(statement);
      return lines.has(`${cell}:${line}`);
    });
    return this.own;
  }

  private codeOf(file: string): TrainingCode | undefined {
    if (!this.read.has(file)) {
      const module = this.environment.module(this.ev, file);
      this.read.set(file, module && trainingCode(module.body, () => false));
    }
    return this.read.get(file);
  }
}

/** Functions and classes at the top that mention it, and those that mention these. */
function leadingTo(name: string, body: readonly Stmt[]): Set<string> {
  const found = new Set<string>([name]);
  const defined = body.filter((s) => s.kind === "Function" || s.kind === "Class");
  for (let before = 0; before !== found.size; ) {
    before = found.size;
    for (const statement of defined) {
      if ([...found].some((each) => namesMentionedBy(statement).has(each))) found.add(statement.name);
    }
  }
  found.delete(name);
  return found;
}
