import { basename, dirname } from "node:path";
import type { Environment } from "../imports/environment";
import type { Stmt } from "../syntax/ast";
import { namesMentionedBy, walkStatements } from "../syntax/walk";
import type { Evaluator } from "../values/evaluator";
import { type TrainingCode, trainingCode, whatTrains } from "./trainedChoice";

/** Files looked into that use a class. */
const MAX_FILES = 8;

/** Whether the code of a file, and of those of its project that use it, chooses which parameters train. */
export class TrainingChoice {
  private readonly answers = new Map<string, "all" | "chosen" | undefined>();
  private readonly users = new Map<string, readonly string[]>();
  private readonly read = new Map<string, TrainingCode | undefined>();
  private own: TrainingCode | undefined;

  constructor(
    private readonly ev: Evaluator,
    private readonly body: readonly Stmt[],
    private readonly environment: Environment,
  ) {}

  /** Of the models that have something of the class, or that the function changes; undefined where nothing trains. */
  of(name: string): "all" | "chosen" | undefined {
    let answer = this.answers.get(name);
    if (!this.answers.has(name)) {
      const files = [this.main(), ...this.usersOf(name).flatMap((file) => this.codeOf(file) ?? [])];
      const isCalledElsewhere = (fn: string) => this.environment.callers(this.ev.main.file, fn).files.length > 0;
      answer = whatTrains(files, isCalledElsewhere);
      this.answers.set(name, answer);
    }
    return answer;
  }

  /** Files that call the name, or a function or class of this file that leads to it. */
  private usersOf(name: string): readonly string[] {
    let users = this.users.get(name);
    if (!users) {
      const { environment, ev, body } = this;
      const leading = [name, ...leadingTo(name, body)];
      users = [...new Set(leading.flatMap((each) => environment.callers(ev.main.file, each).files))].slice(
        0,
        MAX_FILES,
      );
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
      const body = this.environment.module(this.ev, file)?.body;
      const isUser = body && importsFrom(body, this.ev.main.file);
      this.read.set(file, isUser ? trainingCode(body, () => false) : undefined);
    }
    return this.read.get(file);
  }
}

/** Another module may have a class of the same name. */
function importsFrom(body: readonly Stmt[], file: string): boolean {
  const own = new Set([basename(file, ".py"), basename(dirname(file))]);
  let found = false;
  const see = (path: string) => {
    found ||= path.split(".").some((part) => own.has(part));
  };
  const visit = (block: readonly Stmt[]): void => {
    walkStatements(block, (s) => {
      if (s.kind === "ImportFrom") for (const path of [s.module, ...s.names.map(({ name }) => name)]) see(path);
      else if (s.kind === "Import") for (const { name } of s.names) see(name);
      else if (s.kind === "Function" || s.kind === "Class") visit(s.body);
    });
  };
  visit(body);
  return found;
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
