// Prints the bytes of what is published: as it is, and compressed as a server would send it.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const row = (name, bytes) => {
  const gzip = gzipSync(bytes, { level: 9 }).length;
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
  console.log(`${name.padEnd(44)}${[bytes.length, gzip, brotli].map((size) => size.toLocaleString("en").padStart(12)).join("")}`);
};
// What an application's bundler makes of it: what is there from the start. A language's words are a file of their own.
const bundled = async (entry) => {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    ...{
      bundle: true,
      splitting: true,
      minify: true,
      format: "esm",
      charset: "utf8",
      outdir: "out",
      write: false,
      metafile: true,
    },
  });
  const outputs = Object.entries(metafile.outputs);
  const needed = new Set(outputs.filter(([, { entryPoint }]) => entryPoint === entry).map(([path]) => path));
  for (const path of needed) {
    for (const { path: imported, kind } of metafile.outputs[path].imports) if (kind === "import-statement") needed.add(imported);
  }
  const contents = outputs.flatMap(([path], index) => (needed.has(path) ? [outputFiles[index].contents] : []));
  return Buffer.concat(contents);
};

console.log(`${"".padEnd(44)}${["raw", "gzip", "brotli"].map((title) => title.padStart(12)).join("")}`);
row("steadfast, bundled (WebAssembly inside)", await bundled("pkg/dist/index.js"));
row("steadfast/slim, bundled", await bundled("pkg/dist/slim.js"));
row("steadfast/words/de, bundled", await bundled("pkg/dist/words/de.js"));
row("steadfast/wasm", readFileSync("pkg/dist/steadfast.wasm"));

const wasm = new Uint8Array(readFileSync("pkg/wasm/steadfast_bg.wasm"));
console.log("\nThe largest functions before wasm-opt, by crate:");
const sizes = functionSizes(wasm);
const crates = new Map();
for (const { name, size } of sizes) {
  const crate = /(?:^|[<&*( ])([a-z_0-9]+)(?:\[[0-9a-f]+\])?::/.exec(name)?.[1] ?? "other";
  crates.set(crate, (crates.get(crate) ?? 0) + size);
}
for (const [crate, size] of [...crates].sort((one, other) => other[1] - one[1]).slice(0, 12)) {
  console.log(`${String(size).padStart(9)}  ${crate}`);
}
console.log("\nThe largest functions:");
for (const { name, size } of sizes.sort((one, other) => other.size - one.size).slice(0, 15)) {
  console.log(`${String(size).padStart(9)}  ${name.slice(0, 110)}`);
}

// Reads the code section's sizes and the name section's names (WebAssembly core specification, §5.5 and appendix 7.4).
function functionSizes(bytes) {
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const text = () => {
    const length = number();
    at += length;
    return new TextDecoder().decode(bytes.subarray(at - length, at));
  };
  let imported = 0;
  const bodies = [];
  const names = new Map();
  while (at < bytes.length) {
    const section = bytes[at++];
    const end = number() + at;
    if (section === 2) {
      for (let count = number(); count > 0; count--) {
        text();
        text();
        const kind = bytes[at++];
        if (kind === 0) {
          number();
          imported++;
        } else if (kind === 1) {
          at++;
          if (bytes[at++] & 1) number();
          number();
        } else if (kind === 2) {
          if (bytes[at++] & 1) number();
          number();
        } else at += 2;
      }
    } else if (section === 10) {
      for (let count = number(); count > 0; count--) {
        const size = number();
        bodies.push(size);
        at += size;
      }
    } else if (section === 0 && text() === "name") {
      while (at < end) {
        const kind = bytes[at++];
        const stop = number() + at;
        if (kind === 1) for (let count = number(); count > 0; count--) names.set(number(), text());
        at = stop;
      }
    }
    at = end;
  }
  return bodies.map((size, index) => ({ size, name: names.get(index + imported) ?? "?" }));
}
