import { InvalidInputError } from "./errors.js";

/**
 * @internal The JSON text of an action's data. Refuses what `JSON.stringify` would throw on, and also what it would silently
 * change or leave out: a queue that promises to lose nothing must not lose half of a value. Members that are `undefined` are
 * left out, as everywhere.
 */
export function serialize(data: unknown): string {
  check(data, "data", []);
  return JSON.stringify(data);
}

const ALLOWED =
  "what JSON can hold: null, booleans, finite numbers, strings, arrays and plain objects of these, and objects with toJSON";

function check(value: unknown, path: string, ancestors: readonly unknown[]): void {
  const refuse = (received: string): never => {
    throw new InvalidInputError(`action.${path} is ${received}; allowed: ${ALLOWED}`, "action", path, received, ALLOWED);
  };
  switch (typeof value) {
    case "string":
    case "boolean":
      return;
    case "number":
      if (!Number.isFinite(value)) refuse(String(value));
      return;
    case "undefined":
      return refuse("undefined");
    case "bigint":
      return refuse("a BigInt");
    case "symbol":
      return refuse("a symbol");
    case "function":
      return refuse("a function");
  }
  if (value === null) return;
  if (ancestors.includes(value)) refuse("a reference to an object that contains it");
  if (ancestors.length > 200) refuse("nested more than 200 levels deep");
  const within = [...ancestors, value];
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) check(value[index], `${path}[${index}]`, within);
    return;
  }
  if (value instanceof Date && Number.isNaN(value.getTime())) refuse("an invalid Date");
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") {
    const plain: unknown = (value as { toJSON(key: string): unknown }).toJSON("");
    if (plain !== value) return check(plain, path, within);
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  // A Map, a Blob, a typed array or an instance with private fields would become {} or lose its kind. Object.prototype may be
  // that of another frame: it is the one that has none itself.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const name = (value as object).constructor?.name;
    refuse(name ? `a ${name}` : "an object that is not plain");
  }
  for (const [name, member] of Object.entries(value as object)) {
    if (member !== undefined)
      check(member, /^[A-Za-z_$][\w$]*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`, within);
  }
}

/**
 * @internal Options, or the members of an action but its data: what JSON has no word for would silently count as not given, and
 * is refused.
 */
export function refuseForeign(subject: "options" | "action", value: object, path = ""): void {
  for (const [name, member] of Object.entries(value) as [string, unknown][]) {
    const here = path ? `${path}.${name}` : name;
    const isForeign =
      typeof member === "number" ? !Number.isFinite(member) : ["bigint", "function", "symbol"].includes(typeof member);
    if (isForeign || here.length > 200) {
      const [received, allowed] = [String(member), "a finite number, a string, a boolean, or an object or list of these"];
      throw new InvalidInputError(`${subject}.${here} is ${received}; allowed: ${allowed}`, subject, here, received, allowed);
    }
    if (typeof member === "object" && member !== null) refuseForeign(subject, member, here);
  }
}
