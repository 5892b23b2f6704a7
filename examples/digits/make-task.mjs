// Makes rotated.csv, the second task: the same digits, turned a quarter to the left, as a scanner delivers pages that
// were put in sideways. Run it in this folder: node make-task.mjs
import { readFileSync, writeFileSync } from "node:fs";

const SIZE = 8;
const folder = new URL(".", import.meta.url);
const [header, ...rows] = readFileSync(new URL("digits.csv", folder), "utf8").trimEnd().split("\n");

const rotated = rows.map((row) => {
  const values = row.split(",");
  const label = values.pop();
  const pixels = values.map((_, i) => {
    const y = Math.floor(i / SIZE);
    const x = i % SIZE;
    return values[x * SIZE + (SIZE - 1 - y)];
  });
  return [...pixels, label].join(",");
});

writeFileSync(new URL("rotated.csv", folder), `${[header, ...rotated].join("\n")}\n`);
