// @ts-check
/** Helpers to update the document. They change only nodes whose content differs. */

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** @param {HTMLElement} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} element @param {string} name @param {string} value */
export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/** Write a number and mark its sign, which selects the color. @param {HTMLElement} element @param {string} text @param {number} sign */
export function setSigned(element, text, sign) {
  setText(element, text);
  setData(element, "sign", String(sign));
}

/**
 * @param {keyof HTMLElementTagNameMap} name
 * @param {string} className
 * @param {...(string | Node)} children
 */
export function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/**
 * Replace only children that differ, so that focus, hover, selection and animations survive. Children with a `data-key`
 * are found again when others are inserted before them.
 * @param {HTMLElement} parent @param {HTMLElement[]} children
 */
export function setChildren(parent, children) {
  /** @type {Map<string, Element>} */
  const keyed = new Map();
  for (const current of parent.children) {
    if (current instanceof HTMLElement && current.dataset.key) keyed.set(current.dataset.key, current);
  }
  children.forEach((child, i) => {
    const current = parent.children[i];
    const key = child.dataset.key;
    const known = (key && keyed.get(key)) || current;
    if (known?.isEqualNode(child)) {
      if (known !== current) parent.insertBefore(known, current ?? null);
    } else if (current && (!key || known === current)) current.replaceWith(child);
    else parent.insertBefore(child, current ?? null);
  });
  while (parent.children.length > children.length) parent.lastElementChild?.remove();
}

/** Commands within a text: in backticks, a signal to a process, a request, or from ./opensqt to the end of the sentence. */
const COMMAND = /(`[^`]+`|kill -[A-Z]+ \d+|curl -m \d+ \S+|\.\/opensqt .*?(?=[.;](?:\s|$)|$))/;

/** Commands to a running stack: on their own they would take the stack in the directory where they are pasted. */
const TO_STACK = /^\.\/opensqt (control|status|tap|plan)\b(?!.* --bus-url )/;

/**
 * A text whose commands a click selects. Those to a running stack name its bus.
 * @param {string} text
 * @param {string} [bus] the address of the bus; unknown to public viewers
 * @returns {(string | Node)[]}
 */
export function withCommands(text, bus = "") {
  return text.split(COMMAND).map((part, i) => (i % 2 ? make("code", "remedy", atBus(part.replaceAll("`", ""), bus)) : part));
}

/** @param {string} command @param {string} bus */
function atBus(command, bus) {
  return bus ? command.replace(TO_STACK, (start) => `${start} --bus-url ${bus}`) : command;
}

/** Whether a key press is text, or meant for an open dialog, and so no shortcut. @param {KeyboardEvent} event */
export function isForTyping(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return true;
  const target = event.target;
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}

/** Keep the focus inside a dialog: Tab after the last control continues at the first. @param {HTMLDialogElement} dialog */
export function trapFocus(dialog) {
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Tab") return;
    const controls = /** @type {HTMLElement[]} */ ([...dialog.querySelectorAll("button, input, select, textarea, a[href]")]);
    const usable = controls.filter((control) => control.checkVisibility() && !control.matches(":disabled"));
    const [first, last] = [usable[0], usable.at(-1)];
    const isLeaving = document.activeElement === (event.shiftKey ? first : last) || !dialog.contains(document.activeElement);
    if (!isLeaving) return;
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  });
}
