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

/** Write a number and mark its sign, which selects the colour. @param {HTMLElement} element @param {string} text @param {number} sign */
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

/** Replace only children that differ, so that focus, hover and selection survive. @param {HTMLElement} parent @param {HTMLElement[]} children */
export function setChildren(parent, children) {
  children.forEach((child, i) => {
    const current = parent.children[i];
    if (!current) parent.append(child);
    else if (!current.isEqualNode(child)) current.replaceWith(child);
  });
  while (parent.children.length > children.length) parent.lastElementChild?.remove();
}
