// Requests to the server. The key is a variable of this module: it is sent in a header, and is in
// no URL, no cookie and no storage.

import { SERVER, SIGN_IN } from "./server.js";

let authorization = null;

const ROOT = "../api/v1/namespaces";

/** Error of a request: what happened, and what to do next. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const ADVICE = {
  401: "The node does not know this key. A key is UUID:SECRET, both parts: copy all of it, as from node/keys/guest.key, or the file that node.toml names as key-file.",
  429: "The namespace has reached a quota. Wait, or raise it in node.toml.",
  503: `The ${SERVER} is shutting down, or is too busy: try again.`,
};

export function signOut() {
  authorization = null;
}

export const isSignedIn = () => !SIGN_IN || authorization !== null;

/** Returns the name of the namespace. */
export const namespaceName = async () => (await json("GET", ""))[0];

/** Takes a key if the node accepts it; returns the name of its namespace. */
export async function signIn(key) {
  const binary = Array.from(new TextEncoder().encode(key), (byte) => String.fromCharCode(byte)).join("");
  authorization = `Basic ${btoa(binary)}`;
  try {
    return await namespaceName();
  } catch (error) {
    signOut();
    throw error;
  }
}

/** Sends a request and returns the response, whatever its status. */
export async function send(method, path, body, type = "application/json") {
  if (!isSignedIn()) throw new ApiError(401, "Sign in first.");
  const headers = authorization ? { Authorization: authorization } : {};
  if (body !== undefined) headers["Content-Type"] = type;
  try {
    // `omit` also keeps the browser's own password prompt away.
    return await fetch(ROOT + path, { method, headers, body, credentials: "omit", cache: "no-store", redirect: "error" });
  } catch {
    throw new ApiError(0, `The ${SERVER} does not answer. Is it running, and is this its address?`);
  }
}

export async function refused(response) {
  let message = "";
  try {
    message = String((await response.json()).error ?? "");
  } catch {
    // Not JSON: the status has to do.
  }
  const advice = ADVICE[response.status];
  const said = message || `The ${SERVER} answered with status ${response.status}.`;
  return new ApiError(response.status, advice ? `${advice}\n(${said})` : said);
}

/** Sends a request and returns its JSON. */
export async function json(method, path, body) {
  const response = await send(method, path, body === undefined ? undefined : JSON.stringify(body));
  if (!response.ok) throw await refused(response);
  return response.json();
}

export const actionPath = ({ package: folder, name }) =>
  [folder, name].filter(Boolean).map(encodeURIComponent).join("/");

/** Invokes an action and returns the record of its activation, which may have failed. */
export async function invoke(action, parameters) {
  const response = await send("POST", `/_/actions/${actionPath(action)}?blocking=true`, parameters);
  const record = await response.clone().json().catch(() => null);
  if (record && typeof record.activationId === "string") {
    return response.status === 202 ? { activationId: record.activationId, running: true } : record;
  }
  throw await refused(response);
}

/** Keeps integers that a number of JavaScript would round. */
const exact = (_, value, context) =>
  typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
    ? BigInt(context.source) : value;

/** Returns the whole record of an activation. */
export async function record(id) {
  const response = await send("GET", `/_/activations/${encodeURIComponent(id)}`);
  if (!response.ok) throw await refused(response);
  return JSON.parse(await response.text(), exact);
}

/** Stores a picture and returns its location. */
export async function storePicture(file) {
  const response = await send("POST", "/_/pictures", file, file.type || "application/octet-stream");
  if (!response.ok) throw await refused(response);
  return (await response.json()).location;
}

/** Reads a picture of the namespace's storage. */
export async function readPicture(location) {
  const response = await send("GET", `/_/pictures?location=${encodeURIComponent(location)}`);
  if (!response.ok) throw await refused(response);
  return response.blob();
}
