# Sourced by every script: where the tools are, and which Rust toolchain can build for the browser.
# Sets nothing up (scripts/setup does) and is safe to source twice.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# One pin per tool, in Cargo.toml, because wasm-bindgen's command line must equal the crate to the patch level.
pinned() { sed -n "s/^$1 = \"=\{0,1\}\([^\"]*\)\"\$/\1/p" "$repository/Cargo.toml" | head -n 1; }
wasm_bindgen_version=$(pinned wasm-bindgen)
wasm_pack_version=$(pinned wasm-pack)
geckodriver_version=$(pinned geckodriver)
cargo_fuzz_version=$(pinned cargo-fuzz)

# Tools that cargo builds live outside the checkout, a directory per version, so that a second clone finds them.
tool_cache="${STEADFAST_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/steadfast}"
for tool in "wasm-bindgen-cli-$wasm_bindgen_version" "wasm-pack-$wasm_pack_version" "geckodriver-$geckodriver_version" \
  "cargo-fuzz-$cargo_fuzz_version"; do
  case ":$PATH:" in *":$tool_cache/$tool/bin:"*) ;; *) PATH="$tool_cache/$tool/bin:$PATH" ;; esac
done
export PATH

wasm_target=wasm32-unknown-unknown
# has_wasm_target [TOOLCHAIN]: whether that toolchain, or the default one, has std for the browser.
has_wasm_target() {
  local directory
  directory=$(RUSTUP_TOOLCHAIN="${1:-${RUSTUP_TOOLCHAIN:-}}" rustc --print target-libdir --target "$wasm_target" 2>/dev/null) || return 1
  ls "$directory"/libstd-*.rlib >/dev/null 2>&1
}
[ -n "${RUSTUP_TOOLCHAIN:-}" ] || unset RUSTUP_TOOLCHAIN
# Where rustup cannot fetch the target, setup links Debian's compiler, which brings its std sources.
if [ -z "${RUSTUP_TOOLCHAIN:-}" ] && ! has_wasm_target && has_wasm_target debian; then
  export RUSTUP_TOOLCHAIN=debian
fi

# A progress line for every long step: what is being done, and how long it took.
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
# step DESCRIPTION COMMAND...: runs quietly, shows the end of the output if the command fails.
step() {
  local description=$1 log status=0 started=$SECONDS
  shift
  log=$(mktemp)
  printf '\033[1m==> %s ...\033[0m\n' "$description" >&2
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" -ne 0 ]; then
    tail -n 40 "$log" >&2
    printf '\033[1m==> %s: failed with status %s after %ss\033[0m\n' "$description" "$status" "$((SECONDS - started))" >&2
  else
    printf '    %s: done in %ss\n' "$description" "$((SECONDS - started))" >&2
  fi
  rm -f "$log"
  return "$status"
}
