// Activations of one action: polled, listed, plotted, and their logs as they come.

import { el, problem, clock, time } from "./dom.js";
import { json, record } from "./api.js";
import { latency, throughput, timeLine } from "./charts.js";
import { pretty, show } from "./result.js";

const PERIOD = 2000;
const KEPT = 200;
const LISTED = 20;
const LOG_LINES = 500;
/** Records appear when activations end, which is later than the start that `since` compares. */
const OVERLAP = 300_000;

const STATUS = ["success", "application error", "action developer error", "whisk internal error"];

export const statusOf = (code) => STATUS[code] ?? `status ${code}`;

/** Returns elements that show one activation. */
export function details(record, held) {
  const { response = {}, logs = [] } = record;
  const success = response.success === true;
  const error = response.result?.error;
  const message = typeof error === "string" || error === undefined ? error : pretty(error);
  return [
    el("p", {}, el("strong", { class: success ? "good" : "bad", id: "outcome" }, String(response.status ?? "")),
      ` ${record.activationId ?? ""}`),
    success || message === undefined ? null : el("p", { class: "problem", role: "alert" }, message),
    timeLine(record),
    record.parameters === undefined ? null : el("details", {}, el("summary", {}, "Parameters"),
      el("pre", { class: "asked", tabindex: 0 }, pretty(record.parameters))),
    el("div", { class: "result" }, el("h2", {}, "Result"), show(response.result, held)),
    logs.length
      ? el("div", {}, el("h2", {}, "Logs"), el("pre", { class: "record-logs", tabindex: 0 }, logs.join("\n")))
      : el("p", { class: "dim" }, "No logs."),
  ];
}

/** Watches an action until it is stopped. */
export class Activity {
  #action;
  #open;
  #records = new Map();
  #timer = null;
  #stopped = false;
  #polling = false;
  #plots = el("div");
  #rows = el("tbody");
  #logs = el("pre", { id: "logs", role: "log", tabindex: 0, "aria-label": "Logs, newest last" });
  #said = [];

  /** `open` shows a record. */
  constructor(action, open) {
    this.#action = action;
    this.#open = open;
    this.plots = el("div", { class: "card" }, el("h2", {}, "Recent activations"), this.#plots,
      el("table", {}, el("thead", {}, el("tr", {}, ["Start", "Status", "Duration", "Activation"].map((name) => el("th", { scope: "col" }, name)))), this.#rows));
    this.logs = el("div", { class: "card" }, el("h2", {}, "Logs, live"), this.#logs);
  }

  async start() {
    await this.poll();
    const again = async () => {
      if (this.#stopped) return;
      if (document.visibilityState === "visible") await this.poll();
      this.#timer = setTimeout(again, PERIOD);
    };
    this.#timer = setTimeout(again, PERIOD);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async poll() {
    if (this.#polling || this.#stopped) return;
    this.#polling = true;
    try {
      const last = Math.max(0, ...[...this.#records.values()].map((record) => record.start));
      const since = last ? `&since=${Math.max(0, last - OVERLAP)}` : "";
      const name = encodeURIComponent([this.#action.package, this.#action.name].filter(Boolean).join("/"));
      const list = await json("GET", `/_/activations?name=${name}&limit=100${since}`);
      const fresh = list.filter((record) => typeof record?.activationId === "string" && !this.#records.has(record.activationId));
      fresh.reverse();
      for (const record of fresh) this.#records.set(record.activationId, record);
      this.#forget();
      await this.#read(fresh.slice(-LISTED));
      if (!this.#stopped) this.#draw();
    } catch (error) {
      if (!this.#stopped) problem(error.message);
    } finally {
      this.#polling = false;
    }
  }

  #sorted() {
    return [...this.#records.values()].sort((a, b) => a.start - b.start);
  }

  #forget() {
    const sorted = this.#sorted();
    for (const record of sorted.slice(0, Math.max(0, sorted.length - KEPT))) this.#records.delete(record.activationId);
  }

  async #read(records) {
    for (const record of records) {
      const { logs } = await json("GET", `/_/activations/${encodeURIComponent(record.activationId)}/logs`);
      for (const line of Array.isArray(logs) ? logs : []) this.#said.push(String(line));
    }
    if (records.length === 0) return;
    this.#said = this.#said.slice(-LOG_LINES);
    const atEnd = this.#logs.scrollTop + this.#logs.clientHeight >= this.#logs.scrollHeight - 20;
    this.#logs.textContent = this.#said.join("\n");
    if (atEnd) this.#logs.scrollTop = this.#logs.scrollHeight;
  }

  #draw() {
    const sorted = this.#sorted();
    this.#plots.replaceChildren(latency(sorted), throughput(sorted, Date.now()));
    const focused = document.activeElement?.dataset?.activation;
    this.#rows.replaceChildren(...sorted.slice(-LISTED).reverse().map((record) => {
      const id = record.activationId;
      const button = el("button", { type: "button", "data-activation": id, "aria-label": `Show the activation ${id}`, onclick: () => this.#show(id) }, id.slice(0, 8));
      return el("tr", {}, el("td", {}, clock(record.start)),
        el("td", { class: record.statusCode === 0 ? "good" : "bad" }, statusOf(record.statusCode)),
        el("td", {}, time(record.duration ?? 0)), el("td", {}, button));
    }));
    if (focused) [...this.#rows.querySelectorAll("button")].find((button) => button.dataset.activation === focused)?.focus();
  }

  async #show(id) {
    try {
      problem("");
      this.#open(await record(id));
    } catch (error) {
      problem(error.message);
    }
  }
}
