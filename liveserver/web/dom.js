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

/** Replace only the children that differ, so that a focus, a hover or a selection survives. @param {HTMLElement} parent @param {HTMLElement[]} children */
export function setChildren(parent, children) {
  children.forEach((child, i) => {
    const shown = parent.children[i];
    if (!shown) parent.append(child);
    else if (!shown.isEqualNode(child)) shown.replaceWith(child);
  });
  while (parent.children.length > children.length) parent.lastElementChild?.remove();
}
