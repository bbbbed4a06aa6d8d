// Results: pictures, tensors, and JSON. Everything here came from an action.

import { el } from "./dom.js";
import { readPicture } from "./api.js";

const MAX_PICTURES = 12;
const MAX_TENSORS = 8;
const MAX_DEPTH = 8;
const MAX_TEXT = 2000;
const MAX_CELLS = 48;

const RASTER = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$/;
const VECTOR = /^\s*(<\?xml[^>]*>\s*)?<svg[\s>]/i;

/** Returns the source of a picture that is a part of the result itself. */
function inline(text) {
  if (RASTER.test(text)) return text;
  if (text.length > 100 && /^(iVBORw0KGgo|\/9j\/|R0lGOD|UklGR)[A-Za-z0-9+/=]+$/.test(text)) {
    const kinds = { i: "png", "/": "jpeg", R: text.startsWith("R0") ? "gif" : "webp" };
    return `data:image/${kinds[text[0]]};base64,${text}`;
  }
  // An SVG as the source of a picture runs no script and loads nothing.
  if (text.startsWith("data:image/svg+xml")) return text;
  if (VECTOR.test(text)) return `data:image/svg+xml,${encodeURIComponent(text)}`;
  return null;
}

/** Reports whether a text may be the location of an object in storage. */
const isLocation = (text) =>
  text.length < 4096 && (/^(https?|s3):\/\/\S+$/i.test(text) || /^[^\s<>{}"]+\.(png|jpe?g|gif|webp)$/i.test(text));

function figure(path, source) {
  return el("figure", {}, el("img", { src: source, alt: `Picture of the result: ${path}` }),
    el("figcaption", {}, path));
}

/** Shows the picture at a location, if there is one. */
function stored(path, location, held) {
  // The query of a URL is its signature, which tells a reader nothing.
  const place = el("figure", { "aria-busy": "true" }, el("figcaption", {}, `${path}: ${location.split("?")[0]}`));
  readPicture(location).then(
    (blob) => {
      const source = URL.createObjectURL(blob);
      held.push(source);
      place.prepend(el("img", { src: source, alt: `Picture of the result: ${path}` }));
    },
    (error) => {
      // 415: an object that is no picture.
      if (error.status === 415) place.remove();
      else place.append(el("p", { class: "hint" }, `Not shown here: ${error.message}`));
    },
  ).finally(() => place.removeAttribute("aria-busy"));
  return place;
}

/** Returns the shape of nested arrays of numbers of equal lengths; null for anything else. */
function shapeOf(value) {
  const shape = [];
  let level = value;
  while (Array.isArray(level) && level.length > 0) {
    shape.push(level.length);
    level = level[0];
  }
  if (typeof level !== "number") return null;
  const fits = (part, depth) => depth === shape.length
    ? typeof part === "number"
    : Array.isArray(part) && part.length === shape[depth] && part.every((one) => fits(one, depth + 1));
  return fits(value, 0) ? shape : null;
}

function tensorOf(value) {
  if (Array.isArray(value)) {
    const shape = shapeOf(value);
    const size = shape?.reduce((all, one) => all * one, 1) ?? 0;
    // Rows of a few numbers, such as the sides of a box, are read better as numbers.
    return shape && shape.length >= 2 && size >= 16 ? { shape, data: value.flat(Infinity), type: "" } : null;
  }
  if (value === null || typeof value !== "object" || !Array.isArray(value.shape)) return null;
  const data = Array.isArray(value.data) ? value.data : value.values;
  if (!Array.isArray(data)) return null;
  const flat = data.flat(Infinity);
  const shape = value.shape;
  const whole = shape.every((side) => Number.isInteger(side) && side >= 0);
  const size = whole ? shape.reduce((all, one) => all * one, 1) : -1;
  if (size !== flat.length || !flat.every((one) => typeof one === "number" || typeof one === "boolean")) return null;
  return { shape, data: flat.map(Number), type: String(value.datatype ?? value.data_type ?? value.dtype ?? "") };
}

const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

/** Returns a colour between dark blue and yellow for a value of 0 to 1. */
function colour(value) {
  const at = Math.min(Math.max(value, 0), 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  const mixed = STOPS[low].map((one, channel) => Math.round(one + (STOPS[low + 1][channel] - one) * (at - low)));
  return `rgb(${mixed.join(",")})`;
}

function heatMap(data, offset, rows, columns, least, most) {
  const [shown, across] = [Math.min(rows, MAX_CELLS), Math.min(columns, MAX_CELLS)];
  const cell = Math.max(2, Math.min(14, Math.floor(150 / Math.max(shown, across))));
  const canvas = el("canvas", { width: across * cell, height: shown * cell, role: "img", "aria-label": `Heat map of ${rows} by ${columns} values` });
  const context = canvas.getContext("2d");
  for (let y = 0; y < shown; y += 1) {
    for (let x = 0; x < across; x += 1) {
      const row = Math.floor((y * rows) / shown);
      const column = Math.floor((x * columns) / across);
      const value = data[offset + row * columns + column];
      context.fillStyle = colour(most > least ? (value - least) / (most - least) : 0.5);
      context.fillRect(x * cell, y * cell, cell, cell);
    }
  }
  return canvas;
}

function tensor(path, { shape, data, type }) {
  let [least, most, sum] = [Infinity, -Infinity, 0];
  for (const value of data) {
    least = Math.min(least, value);
    most = Math.max(most, value);
    sum += value;
  }
  const round = (value) => Number(value.toPrecision(4));
  const range = data.length ? `, ${round(least)} to ${round(most)}, mean ${round(sum / data.length)}` : "";
  const text = `${path}: ${type ? `${type} ` : ""}[${shape.join(", ")}]${range}`;
  const columns = shape.at(-1) ?? 1;
  const rows = shape.length > 1 ? shape.at(-2) : 1;
  const maps = [];
  for (let at = 0; rows * columns > 0 && at + rows * columns <= data.length && maps.length < 4; at += rows * columns) {
    maps.push(heatMap(data, at, rows, columns, least, most));
  }
  return el("figure", { class: "tensor" }, ...maps, el("figcaption", {}, text));
}

/**
 * Returns JSON for reading: short lists of plain values are on one line, long texts are cut, and
 * what was cut is counted.
 */
export function pretty(value, indent = "") {
  if (typeof value === "string" && value.length > MAX_TEXT) {
    return JSON.stringify(`${value.slice(0, 200)}… (${value.length} characters)`);
  }
  if (typeof value === "bigint") return String(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const inner = `${indent}  `;
  // A deeper value takes as much space as its depth, and is rarely read.
  if (inner.length > 100) return "…";
  if (Array.isArray(value)) {
    const plain = value.every((one) => one === null || typeof one !== "object");
    const line = plain ? `[${value.map((one) => pretty(one)).join(", ")}]` : "";
    if (plain && line.length <= 100) return line;
    return `[\n${value.map((one) => inner + pretty(one, inner)).join(",\n")}\n${indent}]`;
  }
  const members = Object.entries(value).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${pretty(one, inner)}`);
  return members.length ? `{\n${members.join(",\n")}\n${indent}}` : "{}";
}

/** Returns elements that show a result; `held` collects the object URLs to release later. */
export function show(result, held) {
  const pictures = [];
  const tensors = [];
  const visit = (value, path, depth) => {
    if (depth > MAX_DEPTH) return;
    if (typeof value === "string") {
      if (pictures.length >= MAX_PICTURES) return;
      const source = inline(value);
      if (source) pictures.push(figure(path, source));
      else if (isLocation(value)) pictures.push(stored(path, value, held));
      return;
    }
    if (value === null || typeof value !== "object") return;
    const found = tensors.length < MAX_TENSORS ? tensorOf(value) : null;
    if (found) {
      tensors.push(tensor(path, found));
      return;
    }
    for (const [name, one] of Object.entries(value).slice(0, 200)) visit(one, path ? `${path}.${name}` : name, depth + 1);
  };
  visit(result, "", 0);
  return [...pictures, ...tensors, el("pre", { class: "json", tabindex: 0, "aria-label": "The result as JSON" }, pretty(result))];
}
