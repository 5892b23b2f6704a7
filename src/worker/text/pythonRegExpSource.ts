/** Flags as they stand at a place of a pattern. */
export interface Scope {
  ignoreCase: boolean;
  multiline: boolean;
  dotAll: boolean;
  ascii: boolean;
  verbose: boolean;
}

/** A pattern's characters, by code points as Python counts them, with a place in them. */
export class StringSource {
  private at = 0;

  constructor(private readonly text: string) {}

  get done(): boolean {
    return this.at >= this.text.length;
  }

  peek(): string | undefined {
    const code = this.text.codePointAt(this.at);
    return code === undefined ? undefined : String.fromCodePoint(code);
  }

  next(): string | undefined {
    const character = this.peek();
    if (character !== undefined) this.at += character.length;
    return character;
  }

  /** Goes on if this character is the next. */
  take(character: string): boolean {
    if (this.peek() !== character) return false;
    this.at += character.length;
    return true;
  }

  /** The match of a sticky expression here. */
  match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.at;
    return expression.exec(this.text);
  }

  /** Code units. */
  skip(length: number): void {
    this.at += length;
  }
}
