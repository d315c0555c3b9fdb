// @ts-check
/** The few things that the panels ask of the document. They touch it only where something changed. */

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

/** Write a number that is good or bad by its sign. @param {HTMLElement} element @param {string} text @param {number} sign */
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

/** @param {number} signValue */
export function arrow(signValue) {
  return signValue > 0 ? "▲" : signValue < 0 ? "▼" : "";
}
