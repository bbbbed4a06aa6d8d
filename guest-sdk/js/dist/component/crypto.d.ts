/** `crypto.getRandomValues` and `crypto.randomUUID`, which QuickJS does not have. */
export {};
