// Plots of activations, as SVG elements.

import { el, svg, annotation, time } from "./dom.js";
import { pretty } from "./result.js";

const WIDTH = 560;

const number = (value) => (typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : 0);

/** Returns the phases of an activation with their times in milliseconds. */
export function phases(record) {
  const init = number(annotation(record, "initTime"));
  const receipt = annotation(record, "keynet-receipt");
  const spent = (name) => number(receipt?.[name]) / 1e6;
  const calls = [["models", spent("inference_ns")], ["objects", spent("storage_ns")]].filter(([, ms]) => ms > 0);
  const start = spent("instantiate_ns");
  const others = calls.reduce((all, [, ms]) => all + ms, init + start);
  return [
    ["queue", number(annotation(record, "waitTime"))],
    ["init", init],
    ...(start > 0 ? [["start", start]] : []),
    ["guest", Math.max(0, number(record.duration) - others)],
    ...calls,
  ];
}

const NAMES = { queue: "queue", init: "loading", start: "starting", guest: "running", models: "models", objects: "objects" };

const legend = (entries) =>
  el("ul", { class: "legend" }, entries.map(([kind, text]) => el("li", {}, el("span", { class: `key ${kind}` }), text)));

/** Returns the time line of one activation. */
export function timeLine(record) {
  const parts = phases(record);
  const total = parts.reduce((all, [, ms]) => all + ms, 0);
  const said = parts.map(([kind, ms]) => [kind, `${NAMES[kind]} ${time(ms)}`]);
  let x = 0;
  const bars = parts.map(([kind, ms]) => {
    const width = total > 0 ? (ms / total) * WIDTH : 0;
    const bar = svg("rect", { class: kind, x, y: 0, width: Math.max(width, ms > 0 ? 2 : 0), height: 22, rx: 2 },
      svg("title", {}, `${NAMES[kind]}: ${time(ms)}`));
    x += width;
    return bar;
  });
  const label = `Time line: ${said.map(([, text]) => text).join(", ")}`;
  const receipt = annotation(record, "keynet-receipt");
  return el("div", { class: "time-line" },
    svg("svg", { viewBox: `0 0 ${WIDTH} 22`, role: "img", "aria-label": label }, bars),
    legend(said),
    receipt && typeof receipt === "object"
      ? el("details", {}, el("summary", {}, "Receipt"), el("pre", { tabindex: 0 }, pretty(receipt)))
      : null);
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;

const failed = (record) => number(record.statusCode) !== 0;

function axes(height, top) {
  return [
    svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: height - 16, y2: height - 16 }),
    svg("text", { x: 0, y: 10 }, top),
  ];
}

/** Returns the latencies of activations, oldest first. */
export function latency(records) {
  const [height, base, shown] = [120, 104, records.slice(-80)];
  const totals = shown.map((record) => phases(record).reduce((all, [, ms]) => all + ms, 0));
  const sorted = [...totals].sort((a, b) => a - b);
  const most = Math.max(1, ...totals);
  const step = WIDTH / Math.max(20, shown.length);
  const bars = shown.flatMap((record, at) => {
    let y = base;
    return phases(record).map(([kind, ms]) => {
      const tall = (ms / most) * (base - 16);
      y -= tall;
      return svg("rect", { class: failed(record) ? "failed" : kind, x: at * step + 1, y, width: Math.max(1, step - 2), height: tall },
        svg("title", {}, `${NAMES[kind]} ${time(ms)}`));
    });
  });
  const text = shown.length
    ? `median ${time(quantile(sorted, 0.5))}, 95 % within ${time(quantile(sorted, 0.95))}, of ${shown.length}`
    : "no activations yet";
  return el("figure", { id: "latency" },
    svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `Latency: ${text}` }, axes(height, time(most)), bars),
    el("figcaption", {}, `Latency: ${text}`));
}

/** Returns activations per time, in 40 equal parts of the time that the records cover. */
export function throughput(records, now) {
  const [height, base, parts] = [90, 74, 40];
  const first = Math.min(now - 60_000, ...records.map((record) => number(record.start)));
  const width = (now - first) / parts;
  const counts = new Array(parts).fill(0);
  for (const record of records) counts[Math.min(parts - 1, Math.max(0, Math.floor((number(record.start) - first) / width)))] += 1;
  const most = Math.max(1, ...counts);
  const step = WIDTH / parts;
  const bars = counts.map((count, at) => {
    const tall = (count / most) * (base - 16);
    return svg("rect", { class: "other", x: at * step + 1, y: base - tall, width: step - 2, height: tall }, svg("title", {}, `${count}`));
  });
  const text = `${records.length} activations in ${time(now - first)}, at most ${most} in ${time(width)}`;
  return el("figure", { id: "throughput" },
    svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `Throughput: ${text}` }, axes(height, `${most}`), bars),
    el("figcaption", {}, `Throughput: ${text}`));
}
