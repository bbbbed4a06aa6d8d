// The page: sign in, the list of actions, and the page of one action. `run --serve` has one action
// and no keys.

import { el, byId, problem, say, time } from "./dom.js";
import { actionPath, invoke, isSignedIn, json, namespaceName, record, signIn, signOut } from "./api.js";
import { SIGN_IN } from "./server.js";
import { fields } from "./form.js";
import { Activity, details } from "./activity.js";

let namespace = "";
let activity = null;
/** Number of the view that is being shown: what arrives for an older one is dropped. */
let view = 0;
/** Object URLs of the pictures that are shown. */
let held = [];

function release() {
  held.forEach((url) => URL.revokeObjectURL(url));
  held = [];
}

function leave() {
  activity?.stop();
  activity = null;
  release();
  view += 1;
}

function end(message = "") {
  signOut();
  leave();
  namespace = "";
  byId("namespace").textContent = "";
  byId("view").replaceChildren();
  byId("view").hidden = true;
  byId("sign-out").hidden = true;
  byId("sign-in").hidden = false;
  byId("key").value = "";
  document.title = "keynet-inference";
  problem(message);
  byId("key").focus();
}

function open(title, ...content) {
  const heading = el("h1", { tabindex: -1 }, title);
  byId("view").replaceChildren(heading, ...content);
  document.title = `${title} · ${namespace} · keynet-inference`;
  heading.focus();
}

const limits = ({ timeout, memory, logs } = {}) => `${time(timeout ?? 0)}, ${memory} MB, ${logs} MB of logs`;

const short = (digest) => (typeof digest === "string" ? digest.replace(/^sha256:/, "").slice(0, 12) : "—");

async function list() {
  const actions = [];
  for (let skip = 0; ; skip += 200) {
    const page = await json("GET", `/_/descriptions?limit=200&skip=${skip}`);
    actions.push(...page);
    if (page.length < 200) return actions;
  }
}

async function showList() {
  const current = view;
  const actions = await list();
  if (current !== view) return;
  if (actions.length === 0) {
    open("Actions", el("p", {}, "This namespace has no actions. Deploy one:"),
      el("pre", {}, "keynet-inference deploy action.wasm --name hello"));
    return;
  }
  const head = ["Name", "Kind", "Limits", "Component", "Version", "Changed"];
  const rows = actions.map((action) => el("tr", {},
    el("td", {}, el("a", { href: `#/actions/${actionPath(action)}` }, [action.package, action.name].filter(Boolean).join("/"))),
    el("td", {}, action.kind), el("td", {}, limits(action.limits)),
    el("td", { class: "mono", title: action.digest }, short(action.digest)),
    el("td", {}, action.version), el("td", {}, new Date(action.updated).toLocaleString())));
  open("Actions", el("div", { class: "card" }, el("table", { id: "actions" },
    el("thead", {}, el("tr", {}, head.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, rows))));
}

function facts(action) {
  const rows = [
    ["Kind", action.kind], ["Version", action.version], ["Component", action.digest ?? "—"],
    ["Limits", limits(action.limits)],
    ...(action.components ? [["Sequence of", action.components.join(" → ")]] : []),
  ];
  return el("div", { class: "card" }, el("h2", {}, "Facts"),
    el("dl", {}, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
}

function grants(action) {
  if (!Array.isArray(action.mayUse)) return null;
  const rows = action.mayUse.flatMap(({ what, names }) => [el("dt", {}, what), el("dd", {}, names)]);
  return el("div", { class: "card", id: "grants" }, el("h2", {}, "What it may use"),
    rows.length ? el("dl", {}, rows) : el("p", {}, "No models, objects or URLs."));
}

async function showAction(path) {
  const current = view;
  const action = await json("GET", `/_/descriptions/${path.map(encodeURIComponent).join("/")}`);
  if (current !== view) return;
  const outcome = el("div", { class: "card", id: "answer", hidden: true, "aria-live": "polite" });
  const show = (record) => {
    release();
    outcome.replaceChildren(...details(record, held).filter(Boolean));
    outcome.hidden = false;
  };
  activity = new Activity(action, (record) => {
    show(record);
    outcome.scrollIntoView({ block: "nearest" });
  });
  const [rows, read] = fields(action.inputSchema, Array.isArray(action.presets) ? action.presets : []);
  const button = el("button", { type: "submit" }, "Invoke");
  const form = el("form", { id: "invoke", autocomplete: "off", onsubmit: (event) => run(event, action, read, button, show) }, rows, button);
  open([action.package, action.name].filter(Boolean).join("/"),
    el("p", { id: "description" }, action.description ?? ""),
    el("div", { class: "columns" },
      el("div", {}, el("div", { class: "card" }, el("h2", {}, "Invoke"), form), grants(action), facts(action)),
      el("div", {}, outcome, activity.plots, activity.logs)));
  await activity.start();
}

async function run(event, action, read, button, show) {
  event.preventDefault();
  problem("");
  const current = view;
  let parameters;
  try {
    parameters = read();
  } catch (error) {
    problem(error.message);
    return;
  }
  button.disabled = true;
  say("Running");
  const started = performance.now();
  try {
    let ended = await invoke(action, parameters);
    while (ended.running) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      if (current !== view) return;
      ended = await record(ended.activationId).catch((error) => {
        if (error.status === 404) return ended;
        throw error;
      });
    }
    const took = performance.now() - started;
    // The response of an invocation has no logs.
    const whole = await record(ended.activationId).catch(() => ended);
    if (current !== view) return;
    show(whole);
    say(`The activation ended after ${time(took)}: ${whole.response?.status}`);
    await activity?.poll();
  } catch (error) {
    if (current === view) problem(error.message);
  } finally {
    button.disabled = false;
    if (current === view && document.activeElement === document.body) button.focus();
  }
}

async function route() {
  if (!isSignedIn()) return;
  leave();
  problem("");
  try {
    const [, collection, ...path] = location.hash.split("/").map(decodeURIComponent);
    if (collection === "actions" && path.length > 0) await showAction(path.slice(0, 2));
    else if (SIGN_IN) await showList();
    else await showAction([(await list())[0].name]);
  } catch (error) {
    if (error.status === 401) {
      end(error.message);
      return;
    }
    open("Not shown", el("p", {}, el("a", { href: "#/" }, SIGN_IN ? "All actions" : "The action")));
    problem(error.message);
  }
}

async function enter(name) {
  namespace = name;
  byId("namespace").textContent = name;
  byId("sign-in").hidden = true;
  byId("view").hidden = false;
  byId("sign-out").hidden = !SIGN_IN;
  await route();
}

byId("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  problem("");
  const key = byId("key").value.trim();
  byId("key").value = "";
  let name;
  try {
    name = await signIn(key);
  } catch (error) {
    problem(error.message);
    byId("key").focus();
    return;
  }
  say(`Signed in to ${name}`);
  await enter(name);
});

byId("sign-out").addEventListener("click", () => end());
byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // The part of the URL after # names the view.
  byId("main").focus();
});
addEventListener("hashchange", route);
// A page that the browser keeps for the way back must not keep the key.
if (SIGN_IN) addEventListener("pagehide", () => end());
// A picture that misses its area must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

if (SIGN_IN) {
  byId("sign-in").hidden = false;
  byId("key").focus();
} else {
  namespaceName().then(enter).catch((error) => problem(error.message));
}
