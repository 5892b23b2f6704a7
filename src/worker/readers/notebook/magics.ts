/**
 * IPython's own syntax on top of Python, blanked out so that every other character keeps its line and column: magics
 * (`%matplotlib inline`), shell lines (`!pip install`), help (`name?`), and cells of another language (`%%bash`).
 */

/** Cell magics whose body is Python that runs in the notebook. After any other, the cell's text belongs to the magic. */
const PYTHON_CELLS = new Set(["time", "timeit", "capture", "prun", "memit", "mprun", "lprun", "debug", "python3"]);

/** Stands for what a magic or a shell command returns: a name that Python allows and nobody writes (it is not a "!"). */
export const COMMAND_RESULT = "\u01c3";

const HELP = /^\s*(?:\?{1,2}\s*[\w.*]+|[\w.*[\]'"]+\?{1,2})\s*$/;
const ASSIGNED = /^(\s*[\w.,\s[\]()]+?=\s*)([!%])(?=[\w/~.{$"'])/;

/** Magics that give the notebook names: those of another file, of a library, or kept by IPython. */
const GIVES_NAMES = /^[ \t]*(%(?:run|pylab|load|store[ \t]+-r)\b[^\r\n]*)/m;

/** The magic of the cell after which any name may exist. */
export function magicThatGivesNames(source: string): string | undefined {
  return GIVES_NAMES.exec(source)?.[1]?.trim();
}

/** The cell's text as plain Python of the same length, with the same line breaks. */
export function blankMagics(source: string): string {
  const cell = /^\s*%%([\w!]+)[^\n]*/.exec(source);
  if (cell) {
    if (!PYTHON_CELLS.has(cell[1]!)) return blank(source);
    return blank(cell[0]) + blankMagics(source.slice(cell[0].length));
  }
  const lines = source.split("\n");
  const scanner = new LineScanner();
  let inCommand = false;
  return lines
    .map((line) => {
      if (inCommand) {
        inCommand = line.trimEnd().endsWith("\\");
        return blank(line);
      }
      const plain = scanner.atStatement ? plainLine(line) : line;
      if (plain !== line && line.trimEnd().endsWith("\\")) inCommand = true;
      scanner.take(plain);
      return plain;
    })
    .join("\n");
}

/** The line with a magic, a shell command or a question replaced; the line itself when it is Python. */
function plainLine(line: string): string {
  const time = /^(\s*)%time\s+(?=\S)/.exec(line);
  // "%time statement" runs the statement in the notebook. A semicolon keeps its column without indenting it.
  if (time && !/^-/.test(line.slice(time[0].length)))
    return `${time[1]}0;${" ".repeat(time[0].length - time[1]!.length - 2)}${line.slice(time[0].length)}`;
  // A "0" is the shortest statement, so that a block of nothing but magics is still a block.
  if (/^\s*[%!]\s*\S/.test(line) || HELP.test(line)) return inPlace(line, line.search(/\S/), "0");
  const assigned = ASSIGNED.exec(line);
  return assigned ? inPlace(line, assigned[1]!.length, COMMAND_RESULT) : line;
}

/** The line up to `column`, then `text`, then spaces for the rest. */
function inPlace(line: string, column: number, text: string): string {
  return line.slice(0, column) + text + blank(line.slice(column + text.length));
}

export function blank(text: string): string {
  return text.replace(/[^\r\n]/g, " ");
}

/** Follows brackets, strings and continued lines, to know where a statement begins: there alone a "%" is a magic. */
class LineScanner {
  private depth = 0;
  private quote: string | undefined;
  private continued = false;

  get atStatement(): boolean {
    return this.depth === 0 && this.quote === undefined && !this.continued;
  }

  take(line: string): void {
    const token = /\\.|"""|'''|["'#()[\]{}]/g;
    for (let match = token.exec(line); match; match = token.exec(line)) {
      const [text] = match;
      if (this.quote !== undefined) {
        if (text === this.quote) this.quote = undefined;
        // A single quote also closes where the token took three of them, as in `''` before `'`.
        else if (text.length === 3 && text[0] === this.quote) {
          this.quote = undefined;
          token.lastIndex = match.index + 1;
        } else if (this.quote.length === 1 && text.length === 3) token.lastIndex = match.index + 1;
      } else if (text === "#") {
        this.continued = false;
        return;
      } else if (/["']/.test(text)) this.quote = text;
      else if (/[([{]/.test(text)) this.depth++;
      else if (/[)\]}]/.test(text)) this.depth = Math.max(0, this.depth - 1);
    }
    this.continued = /\\\r?$/.test(line);
    // A string in single quotes ends with its line unless a backslash continues it.
    if (this.quote?.length === 1 && !this.continued) this.quote = undefined;
  }
}
