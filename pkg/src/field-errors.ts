import { type ApiErrorData, type FieldError, originOf } from "./errors.js";
import { fieldMessage } from "./explain.js";
import { type Candidate, match, type Match, segmentsOf } from "./field-path.js";

/** A form's control: `HTMLElement`, where the types of the DOM are. */
export type FormControl = typeof globalThis extends { HTMLElement: { prototype: infer Control } } ? Control : object;

/** What {@link applyFieldErrors} can be given. */
export interface FieldErrorOptions {
  /** Whether the first field that is wrong gets the focus. Default `true`. */
  readonly focus?: boolean;
  /**
   * Whether the browser is told too (`setCustomValidity`), so that `:invalid` matches and the form is not sent before the field
   * was edited. Turn it off for rules across several fields. Default `true`.
   */
  readonly customValidity?: boolean;
  /** The class of the elements that are made for messages. Default `field-error`. */
  readonly className?: string;
  /** The language of what is said about fields of which the server says nothing: see {@link WordsOptions.language}. */
  readonly language?: string | readonly string[];
}

/** What became of an error's field errors. */
export interface AppliedFieldErrors {
  /** Those that the form shows now. */
  readonly applied: readonly { readonly fieldError: FieldError; readonly control: FormControl; readonly message: string }[];
  /** Those that belong to no field of the form, or to more than one: to be shown beside it. */
  readonly unmatched: readonly FieldError[];
  /** Takes it all back. What the form was before, it is again. */
  clear(): void;
}

/**
 * Shows an error's field errors in a form: where they belong, for those who see them and for those who hear them.
 *
 * ```ts
 * const { unmatched } = applyFieldErrors(form, error);
 * ```
 *
 * Fields are found by `name`, `data-field` and `id`. `/data/attributes/maxAgents`, `body.max_agents` and `maxAgents` all mean the
 * field `maxAgents`, `items[0].price` means `items.0.price`. A field whose error this is gets `aria-invalid`, and a message that
 * `aria-describedby` names: an element of the form with `data-error-for` and the field's name if there is one, else one that is
 * made. When the user edits the field, or the form is reset, all of this is taken back. Applying another error takes back the
 * one before.
 *
 * @param form A form, or any element around the fields.
 */
export function applyFieldErrors(
  form: FormControl,
  error: Pick<ApiErrorData, "fieldErrors">,
  { focus = true, customValidity = true, className = "field-error", language }: FieldErrorOptions = {},
): AppliedFieldErrors {
  const root = form as HTMLElement;
  applications.get(root)?.();

  const words = originOf(error as ApiErrorData).vocabulary.words(language);
  const fields = fieldsOf(root);
  const found = error.fieldErrors.map((fieldError) => ({ fieldError, match: match(fieldError.path, fields) }));
  const unmatched: FieldError[] = [];
  const byControls = new Map<HTMLElement, { field: Field; controls: readonly HTMLElement[]; messages: string[] }>();
  const applied: { fieldError: FieldError; control: FormControl; message: string }[] = [];
  for (const { fieldError, match: here } of found) {
    // Two paths that only their beginnings tell apart cannot both mean a field that has neither beginning.
    const isAmbiguous =
      here?.isGuess &&
      found.some((other) => other.match?.candidate === here.candidate && stem(other.fieldError) !== stem(fieldError));
    const controls = here && !isAmbiguous ? controlsOf(here) : [];
    const [control] = controls;
    if (!here || !control) {
      unmatched.push(fieldError);
      continue;
    }
    const message = fieldMessage(fieldError, words);
    applied.push({ fieldError, control, message });
    const entry = byControls.get(control) ?? { field: here.candidate, controls, messages: [] };
    if (!entry.messages.includes(message)) entry.messages.push(message);
    byControls.set(control, entry);
  }

  const marks = new Set<Mark>();
  const clear = () => {
    for (const mark of marks) mark.undo();
    marks.clear();
    root.removeEventListener("reset", clear);
    if (applications.get(root) === clear) applications.delete(root);
  };
  for (const { field, controls, messages } of byControls.values()) {
    // A control may have been marked through another element around it.
    for (const control of controls) marked.get(control)?.undo();
    marks.add(new Mark(root, field, controls, messages.join("\n"), { customValidity, className }));
  }
  if (marks.size > 0) {
    root.addEventListener("reset", clear);
    applications.set(root, clear);
  }
  if (focus) focusFirst([...byControls.values()].flatMap(({ controls }) => controls));
  return { applied, unmatched, clear };
}

/** What takes back what was applied to a form. */
const applications = new WeakMap<HTMLElement, () => void>();
/** What is shown at a control. */
const marked = new WeakMap<HTMLElement, Mark>();

interface Field extends Candidate {
  readonly controls: HTMLElement[];
}

const CONTROLS = "input, select, textarea, output, fieldset, [data-field], [name], [id]";
const BUTTONS = ["submit", "button", "reset", "image"];

/** The fields in an element and of a form, in the order of the document. Controls of the same name are one. */
function fieldsOf(root: HTMLElement): Field[] {
  // Never form.elements, form.id or form.name: a control of that name would answer instead.
  const id = root.getAttribute("id");
  const elements = new Set(root.querySelectorAll<HTMLElement>(CONTROLS));
  if (id && root.localName === "form") {
    for (const outside of root.ownerDocument.querySelectorAll<HTMLElement>(`[form="${CSS.escape(id)}"]`)) elements.add(outside);
  }
  const fields = new Map<unknown, Field>();
  for (const element of elements) {
    if (!isControl(element)) continue;
    const name = element.getAttribute("name");
    const known = name ? fields.get(name) : undefined;
    if (known) {
      known.controls.push(element);
      continue;
    }
    const names = [name, element.getAttribute("data-field")].filter((text) => text !== null && text !== "");
    const ids = [element.getAttribute("id")].filter((text) => text !== null && text !== "");
    const [namesSegments, idsSegments] = [names, ids].map((texts) => texts.map((text) => segmentsOf(text as string)));
    fields.set(name || element, { controls: [element], names: namesSegments ?? [], ids: idsSegments ?? [] });
  }
  return [...fields.values()];
}

function isControl(element: HTMLElement): boolean {
  if (element.hasAttribute("data-field")) return true;
  const type = element.getAttribute("type")?.toLowerCase() ?? "";
  switch (element.localName) {
    case "input":
      // What is hidden can show nothing.
      return type !== "hidden" && !BUTTONS.includes(type);
    case "select":
    case "textarea":
    case "output":
    case "fieldset":
      return true;
    default:
      return element.localName.includes("-");
  }
}

/** The controls that show an error: all of a group of radio buttons or check boxes, else the one that is meant. */
function controlsOf({ candidate: { controls }, index }: Match<Field>): readonly HTMLElement[] {
  if (controls.every(isChoice)) return controls;
  const control = controls[index ?? 0] ?? controls[0];
  return control ? [control] : [];
}

function isChoice(control: HTMLElement): boolean {
  return control.localName === "input" && ["radio", "checkbox"].includes(control.getAttribute("type")?.toLowerCase() ?? "");
}

/** A path without the numbers that it ends with. */
function stem({ path }: FieldError): string {
  const segments = segmentsOf(path);
  return JSON.stringify(segments.slice(0, segments.findLastIndex((segment) => !/^\d+$/.test(segment)) + 1));
}

/** An error as a field shows it, and how the field was before. */
class Mark {
  readonly #undo: (() => void)[] = [];

  constructor(
    root: HTMLElement,
    field: Field,
    controls: readonly HTMLElement[],
    text: string,
    { customValidity, className }: { customValidity: boolean; className: string },
  ) {
    const id = this.#showMessage(root, field, controls, text, className);
    for (const control of controls) {
      this.#setAttribute(control, "aria-invalid", "true");
      this.#describe(control, id);
      if (customValidity) this.#setValidity(control, text);
      marked.set(control, this);
      this.#undo.push(() => marked.delete(control));
      for (const type of ["input", "change"]) {
        const undo = () => this.undo();
        control.addEventListener(type, undo);
        this.#undo.push(() => control.removeEventListener(type, undo));
      }
    }
  }

  undo(): void {
    // Backwards, and once.
    for (const step of this.#undo.splice(0).reverse()) step();
  }

  /** Returns the id of the element that says it. */
  #showMessage(root: HTMLElement, field: Field, controls: readonly HTMLElement[], text: string, className: string): string {
    const document = root.ownerDocument;
    const names = field.names.concat(field.ids).map(String);
    const own = [...root.querySelectorAll<HTMLElement>("[data-error-for]")].find((element) =>
      names.includes(String(segmentsOf(element.getAttribute("data-error-for") ?? ""))),
    );
    if (own) {
      const before = [...own.childNodes];
      own.textContent = text;
      this.#undo.push(() => {
        if (own.textContent === text) own.replaceChildren(...before);
      });
      if (own.hasAttribute("hidden")) {
        const hidden = own.getAttribute("hidden") ?? "";
        own.removeAttribute("hidden");
        this.#undo.push(() => own.setAttribute("hidden", hidden));
      }
      const id = own.getAttribute("id");
      if (id) return id;
      const made = newId(document);
      own.setAttribute("id", made);
      this.#undo.push(() => own.removeAttribute("id"));
      return made;
    }
    const element = document.createElement("span");
    element.id = newId(document);
    element.className = className;
    element.textContent = text;
    // Several messages stand one under the other.
    element.style.whiteSpace = "pre-line";
    const last = controls.at(-1) ?? root;
    const group = controls.length > 1 || last.localName === "fieldset" ? last.closest("fieldset") : null;
    // In a fieldset, or after the label around the control: what is in a label is part of the control's name.
    if (group && root.contains(group)) group.append(element);
    else (last.closest("label") ?? last).after(element);
    this.#undo.push(() => element.remove());
    return element.id;
  }

  /** Undone, it is as it was, unless somebody else has changed it since. */
  #setAttribute(control: HTMLElement, name: string, value: string): void {
    const before = control.getAttribute(name);
    control.setAttribute(name, value);
    this.#undo.push(() => {
      if (control.getAttribute(name) !== value) return;
      if (before === null) control.removeAttribute(name);
      else control.setAttribute(name, before);
    });
  }

  #describe(control: HTMLElement, id: string): void {
    const before = control.getAttribute("aria-describedby");
    const ids = before?.split(/\s+/).filter(Boolean) ?? [];
    if (ids.includes(id)) return;
    const value = [...ids, id].join(" ");
    control.setAttribute("aria-describedby", value);
    this.#undo.push(() => {
      const now = control.getAttribute("aria-describedby") ?? "";
      const rest =
        now === value
          ? before
          : now
              .split(/\s+/)
              .filter((other) => other !== "" && other !== id)
              .join(" ");
      if (rest === null || (rest === "" && now !== value)) control.removeAttribute("aria-describedby");
      else control.setAttribute("aria-describedby", rest);
    });
  }

  #setValidity(control: HTMLElement, text: string): void {
    const { validity, validationMessage } = control as HTMLInputElement;
    if (typeof (control as HTMLInputElement).setCustomValidity !== "function") return;
    const before = validity?.customError ? validationMessage : "";
    // That of a control that is disabled cannot be read, and so not restored.
    if (validity?.customError && before === "") return;
    (control as HTMLInputElement).setCustomValidity(text);
    this.#undo.push(() => {
      const { validationMessage: now, willValidate } = control as HTMLInputElement;
      if (now === text || !willValidate) (control as HTMLInputElement).setCustomValidity(before);
    });
  }
}

let made = 0;

function newId(document: Document): string {
  let id: string;
  do id = `steadfast-field-error-${++made}`;
  while (document.getElementById(id));
  return id;
}

/** The first that takes the focus, in the order of the document. A fieldset gives it to its first control. */
function focusFirst(controls: readonly HTMLElement[]): void {
  const sorted = [...controls].sort((one, other) =>
    one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1,
  );
  for (const control of sorted) {
    const inner = control.localName === "fieldset" ? control.querySelectorAll<HTMLElement>("input, select, textarea") : [];
    for (const target of [...inner, control]) {
      target.focus();
      const active = target.getRootNode() instanceof ShadowRoot ? (target.getRootNode() as ShadowRoot) : target.ownerDocument;
      if (active.activeElement === target) return;
    }
  }
}
