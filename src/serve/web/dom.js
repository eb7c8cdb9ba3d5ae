// @ts-check
/** Makes elements. Text from elsewhere goes in as text alone, and what would turn the direction of writing around is replaced. */

/**
 * The text without control characters (but line breaks and tabs) and without those that turn the direction of writing.
 * @param {unknown} text
 * @returns {string}
 */
export function clean(text) {
  // eslint-disable-next-line no-control-regex
  return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g, "\ufffd");
}

/**
 * The text of a log without the escape sequences that colour it in a terminal.
 * @param {string} text
 * @returns {string}
 */
export function plainLog(text) {
  // eslint-disable-next-line no-control-regex
  const bare = text.replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g, "");
  // A progress bar writes over its line: what it wrote last stays.
  return clean(bare.replace(/\r\n/g, "\n").replace(/^.*\r(?=[^\n])/gm, "").replace(/\r/g, ""));
}

/**
 * An element with attributes, listeners (`onclick`) and children; text is never markup.
 * @param {string} tag
 * @param {Record<string, any> | null} [attributes]
 * @param {...any} children
 * @returns {any}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "value" || name === "checked" || name === "disabled") /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, value === true ? "" : clean(value));
  }
  add(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {any[]} children
 */
function add(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(element, child);
    else if (child instanceof Node) element.append(child);
    else element.append(document.createTextNode(clean(child)));
  }
}

/**
 * Puts other children into an element.
 * @param {Element} element
 * @param {...any} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
}
