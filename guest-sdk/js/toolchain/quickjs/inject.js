// What QuickJS does not have, for code that names it: the bundler leaves the rest out.
export { default as URL } from "core-js-pure/actual/url/index.js";
export { default as URLSearchParams } from "core-js-pure/actual/url-search-params/index.js";
export { default as structuredClone } from "core-js-pure/actual/structured-clone.js";
