// Elements. Text from actions, logs, names and records enters the page as text nodes and checked
// attributes only; nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) {
      if (typeof value !== "function") throw new TypeError(`${name} is no function`);
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Creates an HTML element; children are elements or text. */
export function el(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

/** Creates an SVG element. */
export function svg(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

export const byId = (id) => document.getElementById(id);

/** Shows what went wrong and what to do next; an empty text hides it. */
export function problem(text) {
  const box = byId("problem");
  box.textContent = text;
  box.hidden = !text;
}

/** Tells screen readers. */
export function say(text) {
  byId("status").textContent = text;
}

export function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  while (number >= 1024 && at < units.length - 1) {
    number /= 1024;
    at += 1;
  }
  return `${Number(number.toFixed(1))} ${units[at]}`;
}

export function time(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Number((ms / 1000).toFixed(ms < 10000 ? 2 : 1))} s`;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString();

/** Returns the value of an annotation of a record or an action. */
export function annotation(entity, key) {
  const list = Array.isArray(entity?.annotations) ? entity.annotations : [];
  return list.find((pair) => pair?.key === key)?.value;
}
