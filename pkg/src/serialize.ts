import { InvalidInputError } from "./errors.js";

/**
 * @internal The JSON text of an action's data. Refuses what `JSON.stringify` would throw on, and also what it would silently
 * change or leave out: a queue that promises to lose nothing must not lose half of a value. Members that are `undefined` are
 * left out, as everywhere.
 */
export function serialize(data: unknown): string {
  check(data, [], []);
  return JSON.stringify(data);
}

const ALLOWED =
  "what JSON can hold: null, booleans, finite numbers, strings, arrays and plain objects of these, and objects with toJSON";

/** `keys` is where the value stands, `ancestors` what it is within. Both are as they were when this returns. */
function check(value: unknown, keys: (string | number)[], ancestors: object[]): void {
  switch (typeof value) {
    case "string":
    case "boolean":
      return;
    case "number":
      if (!Number.isFinite(value)) refuse(String(value), keys);
      return;
    case "undefined":
      return refuse("undefined", keys);
    case "bigint":
      return refuse("a BigInt", keys);
    case "symbol":
      return refuse("a symbol", keys);
    case "function":
      return refuse("a function", keys);
  }
  if (value === null) return;
  const object = value as object;
  if (ancestors.includes(object)) refuse("a reference to an object that contains it", keys);
  if (ancestors.length > 200) refuse("nested more than 200 levels deep", keys);
  ancestors.push(object);
  checkObject(object, keys, ancestors);
  ancestors.pop();
}

function checkObject(object: object, keys: (string | number)[], ancestors: object[]): void {
  const within = (key: string | number, member: unknown) => {
    keys.push(key);
    check(member, keys, ancestors);
    keys.pop();
  };
  if (Array.isArray(object)) {
    for (let index = 0; index < object.length; index++) within(index, object[index]);
    return;
  }
  if (object instanceof Date && Number.isNaN(object.getTime())) refuse("an invalid Date", keys);
  if (typeof (object as { toJSON?: unknown }).toJSON === "function") {
    const plain: unknown = (object as { toJSON(key: string): unknown }).toJSON("");
    if (plain !== object) return check(plain, keys, ancestors);
  }
  const prototype: unknown = Object.getPrototypeOf(object);
  // A Map, a Blob, a typed array or an instance with private fields would become {} or lose its kind. Object.prototype may be
  // that of another frame: it is the one that has none itself.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const name = object.constructor?.name;
    refuse(name ? `a ${name}` : "an object that is not plain", keys);
  }
  for (const [name, member] of Object.entries(object)) {
    if (member !== undefined) within(name, member);
  }
}

function refuse(received: string, keys: readonly (string | number)[]): never {
  const steps = keys.map((key) =>
    typeof key === "string" && /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
  );
  const path = `data${steps.join("")}`;
  throw new InvalidInputError(`action.${path} is ${received}; allowed: ${ALLOWED}`, "action", path, received, ALLOWED);
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
