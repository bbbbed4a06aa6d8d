/**
 * `crypto.getRandomValues` and `crypto.randomUUID`. QuickJS has none; SpiderMonkey's would end the build without a word if a module called
 * them while it is loaded.
 */
export {};
