import { readFile } from "node:fs/promises";
import { Language, Parser, type Tree } from "web-tree-sitter";

/** `<T>value` is a cast in TypeScript and an element in the others, so there are two grammars. */
type Grammar = "typescript" | "tsx";

const parsers = new Map<Grammar, Promise<Parser>>();

async function load(grammar: Grammar): Promise<Parser> {
  await Parser.init({ locateFile: () => require.resolve("web-tree-sitter/web-tree-sitter.wasm") });
  const wasm = require.resolve(`tree-sitter-typescript/tree-sitter-${grammar}.wasm`);
  const parser = new Parser();
  parser.setLanguage(await Language.load(await readFile(wasm)));
  return parser;
}

/** Parses JavaScript or TypeScript; undefined when it was cancelled. The tree is to be deleted by the caller. */
export async function parseJavaScript(
  file: string,
  text: string,
  cancelled?: () => boolean,
): Promise<Tree | undefined> {
  const grammar = /\.[mc]?ts$/i.test(file) ? "typescript" : "tsx";
  const loading = parsers.get(grammar) ?? load(grammar);
  parsers.set(grammar, loading);
  const parser = await loading;
  const tree = parser.parse(text, null, cancelled && { progressCallback: cancelled });
  if (!tree) parser.reset();
  return tree ?? undefined;
}
