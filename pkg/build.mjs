// Builds the npm package: wasm-opt, embed, bundle. `wasm/` is what wasm-pack made; `dist/` is what is published.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { build } from "esbuild";

const here = import.meta.dirname;
const require = createRequire(import.meta.url);
const at = (...parts) => join(here, ...parts);
const run = (script, ...parameters) => execFileSync(process.execPath, [script, ...parameters], { stdio: "inherit", cwd: here });

rmSync(at("dist"), { recursive: true, force: true });
mkdirSync(at("dist"));

const optimised = at("dist", "steadfast.wasm");
const wasmOpt = join(dirname(require.resolve("binaryen/package.json")), "bin", "wasm-opt");
run(
  wasmOpt,
  // What the Rust compiler assumes of a browser by default.
  ...["--enable-bulk-memory", "--enable-nontrapping-float-to-int", "--enable-sign-ext", "--enable-mutable-globals"],
  ...["--enable-reference-types", "--enable-multivalue", "-Oz", "--strip-debug", "--strip-producers", "--strip-target-features"],
  // A large function with one caller stays one: within its caller it compresses worse, a twentieth of the whole.
  "--one-caller-inline-max-function-size=20",
  ...[at("wasm", "steadfast_bg.wasm"), "-o", optimised],
);

// Deflated before it is made text: the text then costs no more on the wire than the bytes.
const deflated = deflateRawSync(readFileSync(optimised), { level: 9 }).toString("base64");
writeFileSync(
  at("src", "embedded.ts"),
  `// Made by build.mjs.
import { WasmUnavailableError } from "./errors.js";

const deflated = "${deflated}";

/** @internal */
export async function embeddedWasm(): Promise<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(deflated), (character) => character.charCodeAt(0));
  let inflate: DecompressionStream;
  try {
    inflate = new DecompressionStream("deflate-raw");
  } catch (cause) {
    const message = "This browser is from before 2023 and cannot unpack Steadfast; steadfast/slim takes it unpacked.";
    throw new WasmUnavailableError(message, { cause });
  }
  return new Response(new Blob([bytes]).stream().pipeThrough(inflate)).arrayBuffer();
}
`,
);

// The words of each language, a module each: the main bundle imports the one it needs, and applications those they want within.
const tables = at("..", "src", "error", "words");
const languages = readdirSync(tables)
  .filter((file) => file.endsWith(".json"))
  .map((file) => basename(file, ".json"));
rmSync(at("src", "words"), { recursive: true, force: true });
mkdirSync(at("src", "words"));
for (const language of languages) {
  const table = readFileSync(join(tables, `${language}.json`), "utf8");
  writeFileSync(
    at("src", "words", `${language}.ts`),
    `// Made by build.mjs.
import type { Words } from "../words.js";

/** What Steadfast says to people, in the language \`${language}\`. */
const words: Words = ${table.trim()};
export default words;
`,
  );
}

const shared = {
  absWorkingDir: here,
  outdir: "dist",
  outbase: "src",
  bundle: true,
  splitting: true,
  chunkNames: "shared-[hash]",
  format: "esm",
  target: "es2022",
  charset: "utf8",
  minifySyntax: true,
  minifyWhitespace: true,
};
const modules = languages.map((language) => `src/words/${language}.ts`);
// The glue's fallback to a file beside it: bundlers would follow it, and none of our entries uses it.
const plugins = [
  {
    name: "no-default-url",
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]wasm[\\/]steadfast\.js$/ }, ({ path }) => {
        const glue = readFileSync(path, "utf8");
        const without = glue.replaceAll(/new URL\('steadfast_bg\.wasm', import\.meta\.url\)/g, "undefined");
        if (without === glue) throw new Error(`${path}: wasm-bindgen's glue no longer has the URL that is taken out here`);
        return { contents: without, loader: "js" };
      });
    },
  },
];
// English by itself: it is also within the shared file, which would have to become two for it.
await build({ ...shared, entryPoints: ["src/words/en.ts"] });
await build({
  ...shared,
  entryPoints: ["src/index.ts", "src/slim.ts", ...modules.filter((module) => module !== "src/words/en.ts")],
  plugins,
});
// A service worker is a bundle of its own anyway: it takes all from the main one, which stays as it is.
await build({ ...shared, entryPoints: ["src/service-worker.ts"], splitting: false, external: ["./index.js"] });
// For importScripts, which takes no modules. It cannot load words either, and has no one to tell them to.
await build({
  ...shared,
  entryPoints: [{ in: "src/service-worker.ts", out: "service-worker.classic" }],
  splitting: false,
  format: "iife",
  globalName: "steadfast",
  external: languages.filter((language) => language !== "en").map((language) => `./words/${language}.js`),
  plugins,
});
run(join(dirname(require.resolve("typescript/package.json")), "bin", "tsc"), "-p", "tsconfig.json");
for (const file of ["README.md", "LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(at("..", file), at(file));
