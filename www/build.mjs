// Builds the demo application into dist/: assets named by their content, the page that names them, and the service worker
// that keeps them all for when there is no network.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const at = (...parts) => join(here, ...parts);
const shared = { absWorkingDir: here, bundle: true, minify: true, target: "es2022", format: "esm", charset: "utf8" };

rmSync(at("dist"), { recursive: true, force: true });
mkdirSync(at("dist"));

const { metafile } = await build({
  ...shared,
  entryPoints: ["src/main.ts", "src/style.css"],
  entryNames: "[name]-[hash]",
  // The words of each language are a file of their own, of which a page loads one.
  chunkNames: "[name]-[hash]",
  splitting: true,
  outdir: "dist",
  sourcemap: true,
  metafile: true,
});
const assetOf = (source) => {
  const found = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === source);
  if (!found) throw new Error(`esbuild made nothing of ${source}`);
  return `/${basename(found[0])}`;
};

let page = readFileSync(at("src", "index.html"), "utf8");
const insert = (mark, text) => {
  if (!page.includes(mark)) throw new Error(`src/index.html lacks ${mark}`);
  page = page.replace(mark, () => text);
};
insert("{{script}}", assetOf("src/main.ts"));
insert("{{style}}", assetOf("src/style.css"));
insert("{{drawings}}", readFileSync(at("src", "drawings.svg"), "utf8"));
writeFileSync(at("dist", "index.html"), page);
for (const file of readdirSync(at("static"))) copyFileSync(at("static", file), at("dist", file));

const files = readdirSync(at("dist"))
  .filter((file) => !file.endsWith(".map"))
  .sort();
const content = createHash("sha256");
for (const file of files)
  content
    .update(file)
    .update("\0")
    .update(readFileSync(at("dist", file)));

await build({
  ...shared,
  entryPoints: ["src/service-worker.ts"],
  outdir: "dist",
  format: "iife",
  define: {
    SHELL_VERSION: JSON.stringify(content.digest("hex").slice(0, 16)),
    SHELL_PATHS: JSON.stringify(files.map((file) => (file === "index.html" ? "/" : `/${file}`))),
  },
});
