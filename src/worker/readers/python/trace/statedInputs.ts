import { UserError } from "../../../formats/errors";
import { lineText, type SourcePlace } from "../../../graph/node";
import { type GivenInput, type GivenInputs, parseInput } from "../../givenInputs";
import type { ModuleSources } from "../imports/sources";
import { codeAlone, commentsIn } from "../syntax/comments";
import type { Source } from "../syntax/source";
import type { PyClass, PyObject } from "../values/values";

/**
 * Example inputs stated by the user: outside of the file, or in its comments, one input each.
 *
 *     class Net(nn.Module):  # lora-lens: input x = 1,3,224,224
 *
 * A comment belongs to the class that it stands in or directly above, and to those derived from it; or to the module
 * that the statement at its line, or below it, assigns.
 */
export class StatedInputs {
  private readonly chosen = new Map<PyObject, GivenInputs>();
  private readonly named = new Map<PyObject, SourcePlace>();
  private readonly byFile = new Map<string, readonly InputComment[]>();

  constructor(
    private readonly main: Source,
    private readonly sources: ModuleSources,
  ) {}

  /** Inputs chosen for the model override those of the file. */
  choose(root: PyObject, inputs: GivenInputs): void {
    this.chosen.set(root, inputs);
  }

  /** The module is assigned to a name there. */
  assigned(root: PyObject, place: SourcePlace): void {
    this.named.set(root, place);
  }

  /** Undefined when none are stated. Throws a UserError for a comment that cannot be understood. */
  of(root: PyObject): GivenInputs | undefined {
    const chosen = this.chosen.get(root);
    if (chosen) return chosen;
    const comments = this.commentsOf(root);
    return comments.length > 0 ? joined(comments) : undefined;
  }

  /** Where in a file they are stated. */
  placeOf(root: PyObject): SourcePlace | undefined {
    return this.chosen.has(root) ? undefined : this.commentsOf(root)[0]?.place;
  }

  private commentsOf(root: PyObject): readonly InputComment[] {
    const places = [this.named.get(root), ...root.type.mro.map(({ place }) => place)];
    for (const place of places) {
      const comments = place ? this.commentsIn(place.file).filter(({ owners }) => isAt(owners, place)) : [];
      if (comments.length > 0) return comments;
    }
    return [];
  }

  /** Comments of the file itself that belong to none of its models. */
  unused(models: readonly { readonly type: PyClass; readonly place?: SourcePlace }[]): SourcePlace[] {
    const places = models.flatMap(({ type, place }) => [place, ...type.mro.map((each) => each.place)]);
    return this.commentsIn(this.main.file)
      .filter(({ owners }) => !places.some((place) => place?.file === this.main.file && isAt(owners, place)))
      .map(({ place }) => place);
  }

  private commentsIn(file: string): readonly InputComment[] {
    let comments = this.byFile.get(file);
    if (!comments) {
      const source = file === this.main.file ? this.main : this.sources.of(file)?.source;
      comments = source ? inputComments(source) : [];
      this.byFile.set(file, comments);
    }
    return comments;
  }
}

/** A line, in a notebook's cell. */
type Line = Pick<SourcePlace, "cell" | "line">;

function isAt(owners: readonly Line[], { cell, line }: SourcePlace): boolean {
  return owners.some((owner) => owner.line === line && owner.cell === cell);
}

interface InputComment {
  readonly text: string;
  readonly place: SourcePlace;
  /** The line of the class statement that it is about, or those that the assignment may begin at. */
  readonly owners: readonly Line[];
}

const MARK = /^#\s*lora-lens:\s*input\b\s*(.*?)\s*$/i;
const WRITTEN = /^(\w+)\s*=(.*)$/;

function joined(comments: readonly InputComment[]): GivenInputs {
  const inputs = comments.map(parsed);
  const [first] = comments;
  const from = comments.length > 1 ? "comments" : "comment";
  return { inputs, from: `the ${from} at ${lineText(first!.place)}`, place: first!.place };
}

function parsed({ text, place }: InputComment): GivenInput {
  const { file, line, cell } = place;
  const [, name, shape] = WRITTEN.exec(text) ?? [];
  try {
    if (name === undefined)
      throw new UserError(`this comment states no input: write # lora-lens: input x = 1,3,224,224`);
    return parseInput(name, shape!);
  } catch (error) {
    throw error instanceof UserError ? new UserError(error.message, { file, line, cell }) : error;
  }
}

function inputComments(source: Source): InputComment[] {
  const { text } = source;
  if (!/lora-lens:\s*input/i.test(text)) return [];
  const code = codeAlone(text).split("\n");
  const starts: number[] = [];
  for (let at = 0, i = 0; i < code.length; at += code[i++]!.length + 1) starts.push(at);
  const lineAt = (line: number): Line => source.placeAt(starts[line]!, starts[line]!);
  let row = 0;
  return commentsIn(text).flatMap(({ start, end }) => {
    const [, stated] = MARK.exec(text.slice(start, end)) ?? [];
    if (stated === undefined) return [];
    while (row + 1 < starts.length && starts[row + 1]! <= start) row++;
    const owners = ownersOf(code, row, start - starts[row]!).map(lineAt);
    return [{ text: stated, place: source.placeAt(start, end), owners }];
  });
}

const isClass = (line: string): boolean => /^\s*class\s+\w+/.test(line);
const isBlank = (line: string): boolean => line.trim() === "";
const indentOf = (line: string): number => line.length - line.trimStart().length;

/** Of code without comments and strings: rows that a comment in the given row and column may be about. */
function ownersOf(code: readonly string[], row: number, column: number): number[] {
  const isAlone = isBlank(code[row]!);
  const own = isAlone ? following(code, row, column) : row;
  if (own !== undefined && isClass(code[own]!)) return [own];
  let width = isAlone ? column : indentOf(code[row]!);
  const outer: number[] = [];
  for (let above = row - 1; above >= 0 && width > 0; above--) {
    const line = code[above]!;
    if (isBlank(line) || indentOf(line) >= width) continue;
    if (isClass(line)) return [above];
    width = indentOf(line);
    outer.push(above);
  }
  return own === undefined ? outer : [own, ...outer];
}

/** The row of the next statement of the comment's own block, behind the decorators that it may have. */
function following(code: readonly string[], row: number, column: number): number | undefined {
  for (let below = row + 1; below < code.length; below++) {
    const line = code[below]!;
    if (isBlank(line)) continue;
    if (indentOf(line) < column) return undefined;
    const isDecorator = indentOf(line) > column || /^\s*[@)]/.test(line);
    if (!isDecorator) return below;
  }
  return undefined;
}
